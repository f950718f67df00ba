//! Maps virtual paths to files: logs and sandboxes, and nothing else of the machine.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use messages::v1;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::names;

/// The maximum of bytes that one read returns (Mesos: 16 pages).
pub const MAX_READ: u64 = 16 * 4096;

/// The maximum of entries in one listing. A task can fill a directory, and the listing is held in memory.
const MAX_ENTRIES: usize = 100_000;

/// Resolves a virtual path to a root directory and the rest of the path below it. The rest is untrusted.
pub type Resolve = Arc<dyn Fn(&str) -> Option<(PathBuf, PathBuf)> + Send + Sync>;
/// Lists every virtual path with its target, for `/files/debug`.
pub type List = Arc<dyn Fn() -> Vec<(String, PathBuf)> + Send + Sync>;

/// The reason for which a file is not shown.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The request is answered with 400 and this text of Mesos.
    #[error("{0}")]
    Invalid(String),
    /// The request is answered with 404 and an empty body.
    #[error("no such file")]
    NotFound,
    /// The request is answered with 500 and this text.
    #[error("{0}")]
    Unknown(String),
}

/// The files that a process shows over HTTP (`Files` of Mesos).
pub struct Files {
    attached: Vec<(String, PathBuf)>,
    resolve: Resolve,
    list: List,
}

/// A part of a file.
pub struct Contents {
    /// The size of the whole file in bytes.
    pub size: u64,
    /// The bytes that were read.
    pub data: Vec<u8>,
}

impl Files {
    /// Makes the set of shown files. `attached` has fixed virtual paths and their targets; `resolve` and `list` answer
    /// for paths that change while the process runs.
    pub fn new(attached: Vec<(String, PathBuf)>, resolve: Resolve, list: List) -> Self {
        Files { attached, resolve, list }
    }

    /// Returns every virtual path with its target.
    pub fn mapping(&self) -> Vec<(String, PathBuf)> {
        self.attached.iter().cloned().chain((self.list)()).collect()
    }

    /// Returns the files of a directory, ordered by name. Names that are not UTF-8 are encoded ([`names`]) and are
    /// found by the encoded name. A path to a file yields an empty list.
    ///
    /// # Errors
    /// Returns [`FileError`] if the path leads nowhere, leads out of its root, or cannot be read.
    pub fn browse(&self, path: &str) -> Result<Vec<v1::FileInfo>, FileError> {
        let found = self.find(path)?;
        if !found.real.is_dir() {
            return Ok(Vec::new());
        }
        let unreadable = |error: io::Error| FileError::Unknown(format!("Failed to list '{path}': {error}.\n"));
        let owners = Owners::read();
        let mut listing = Vec::new();
        for entry in std::fs::read_dir(&found.real).map_err(unreadable)?.take(MAX_ENTRIES).flatten() {
            // The metadata follow links, as `ls -L` does. Dangling links and files that were removed meanwhile are left
            // out.
            let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
            let name = names::encode(&entry.file_name());
            listing.push(owners.describe(format!("{}/{name}", path.trim_end_matches('/')), &metadata));
        }
        listing.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// Returns up to `length` bytes, at most `MAX_READ`, from `offset`. A length of zero yields the size alone.
    ///
    /// # Errors
    /// Returns [`FileError`] if the path is not a regular file below its root, or cannot be read.
    pub fn read(&self, path: &str, offset: u64, length: Option<u64>) -> Result<Contents, FileError> {
        let (file, size) = self.open(path, "Cannot read a directory.\n")?;
        if offset >= size || length == Some(0) {
            return Ok(Contents { size, data: Vec::new() });
        }
        let length = length.unwrap_or(size - offset).min(size - offset).min(MAX_READ);
        let mut data = vec![0; usize::try_from(length).unwrap_or_default()];
        let mut filled = 0;
        while filled < data.len() {
            match file.read_at(&mut data[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FileError::Unknown(format!("Failed to read '{path}': {error}.\n"))),
            }
        }
        data.truncate(filled);
        Ok(Contents { size, data })
    }

    /// Returns the name, the size in bytes and the content for streaming.
    ///
    /// # Errors
    /// Returns [`FileError`] if the path is not a regular file below its root, or cannot be read.
    pub fn download(&self, path: &str) -> Result<(String, u64, impl Read + Send + use<>), FileError> {
        let (mut file, size) = self.open(path, "Cannot download a directory.\n")?;
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        file.seek(SeekFrom::Start(0))
            .map_err(|error| FileError::Unknown(format!("Failed to read '{path}': {error}.\n")))?;
        // A log may grow while it is downloaded, and the body must not exceed the announced length.
        Ok((name, size, file.take(size)))
    }

    fn open(&self, path: &str, if_directory: &str) -> Result<(File, u64), FileError> {
        let found = self.find(path)?;
        if found.real.is_dir() {
            return Err(FileError::Invalid(if_directory.to_owned()));
        }
        let failed = |error: io::Error| FileError::Unknown(format!("Failed to open file at '{path}': {error}.\n"));
        let file = found.open().map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(FileError::Invalid(format!("'{path}' is not a regular file.\n")));
        }
        Ok((file, metadata.len()))
    }

    fn find(&self, path: &str) -> Result<Found, FileError> {
        let path = path.trim_end_matches('/');
        let attached = self.attached.iter().find_map(|(virtual_path, root)| {
            let rest = path.strip_prefix(virtual_path.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (root.clone(), PathBuf::from(rest.trim_matches('/'))))
        });
        let (root, rest) = attached.or_else(|| (self.resolve)(path)).ok_or(FileError::NotFound)?;
        let root = root.canonicalize().map_err(|_| FileError::NotFound)?;
        if rest.as_os_str().is_empty() {
            return Ok(Found { real: root.clone(), root });
        }
        if !root.is_dir() {
            return Err(FileError::NotFound);
        }
        let wanted = names::find(&root, &rest);
        let real = wanted.canonicalize().map_err(|_| FileError::NotFound)?;
        if !real.starts_with(&root) {
            return Err(FileError::Invalid(format!("'{}' is inaccessible.\n", wanted.display())));
        }
        Ok(Found { root, real })
    }
}

/// A path without links, which was inside its root when it was resolved.
struct Found {
    root: PathBuf,
    real: PathBuf,
}

impl Found {
    /// Opens the file without following any link, because a task may have placed a link meanwhile. `O_NONBLOCK` keeps
    /// the open from waiting for the other end of a named pipe.
    fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Ok(rest) = self.real.strip_prefix(&self.root) else { return Err(io::ErrorKind::NotFound.into()) };
        if rest.as_os_str().is_empty() {
            return Ok(File::from(rustix::fs::open(&self.real, flags, Mode::empty())?));
        }
        let root = rustix::fs::open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(&root, rest, flags, Mode::empty(), inside) {
            Ok(file) => Ok(File::from(file)),
            // The call is missing in kernels before 5.6, and some seccomp filters hide it.
            Err(rustix::io::Errno::NOSYS) => {
                Ok(File::from(rustix::fs::openat(&root, rest, flags | OFlags::NOFOLLOW, Mode::empty())?))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The names of users and groups. An id that the machine has no name for is shown as a number.
struct Owners {
    users: Vec<(u32, String)>,
    groups: Vec<(u32, String)>,
}

impl Owners {
    fn read() -> Self {
        Owners { users: parse_names(Path::new("/etc/passwd")), groups: parse_names(Path::new("/etc/group")) }
    }

    fn describe(&self, path: String, metadata: &std::fs::Metadata) -> v1::FileInfo {
        let name = |names: &[(u32, String)], id: u32| {
            names.iter().find(|(other, _)| *other == id).map_or_else(|| id.to_string(), |(_, name)| name.clone())
        };
        v1::FileInfo {
            path,
            nlink: i32::try_from(metadata.nlink()).ok(),
            size: Some(metadata.size()),
            mtime: Some(v1::TimeInfo {
                nanoseconds: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
            }),
            mode: Some(metadata.mode()),
            uid: Some(name(&self.users, metadata.uid())),
            gid: Some(name(&self.groups, metadata.gid())),
        }
    }
}

/// Parses lines of the form `name:x:id:…`.
fn parse_names(file: &Path) -> Vec<(u32, String)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(entry).collect()
}
