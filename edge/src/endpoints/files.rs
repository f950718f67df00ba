//! Virtual paths and the files behind them: logs and sandboxes, and nothing else of the machine.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use messages::v1;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::names;

/// A read gives at most this much (Mesos: 16 pages).
pub const MAX_READ: u64 = 16 * 4096;

/// Entries of one listing; a task can fill a directory, and the listing is held in memory.
const MAX_ENTRIES: usize = 100_000;

/// The root that a virtual path lies below, and the rest of the path. The rest is untrusted.
pub type Resolve = Arc<dyn Fn(&str) -> Option<(PathBuf, PathBuf)> + Send + Sync>;
/// Every virtual path and where it leads, for `/files/debug`.
pub type List = Arc<dyn Fn() -> Vec<(String, PathBuf)> + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// 400, in Mesos' words.
    #[error("{0}")]
    Invalid(String),
    /// 404, without a word.
    #[error("no such file")]
    NotFound,
    /// 500.
    #[error("{0}")]
    Unknown(String),
}

pub struct Files {
    attached: Vec<(String, PathBuf)>,
    resolve: Resolve,
    list: List,
}

pub struct Contents {
    /// Of the whole file.
    pub size: u64,
    pub data: Vec<u8>,
}

impl Files {
    /// `attached` are fixed; `resolve` answers for what comes and goes.
    pub fn new(attached: Vec<(String, PathBuf)>, resolve: Resolve, list: List) -> Self {
        Files { attached, resolve, list }
    }

    pub fn mapping(&self) -> Vec<(String, PathBuf)> {
        self.attached.iter().cloned().chain((self.list)()).collect()
    }

    /// The files of a directory, by name. Names that are no UTF-8 are encoded ([`names`]), and found by that.
    pub fn browse(&self, path: &str) -> Result<Vec<v1::FileInfo>, FileError> {
        let found = self.find(path)?;
        if !found.real.is_dir() {
            return Ok(Vec::new());
        }
        let unreadable = |error: io::Error| FileError::Unknown(format!("Failed to list '{path}': {error}.\n"));
        let owners = Owners::read();
        let mut listing = Vec::new();
        for entry in std::fs::read_dir(&found.real).map_err(unreadable)?.take(MAX_ENTRIES).flatten() {
            // Follows links, as `ls -L`; a dangling one is left out, and so is what was removed meanwhile.
            let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
            let name = names::encode(&entry.file_name());
            listing.push(owners.describe(format!("{}/{name}", path.trim_end_matches('/')), &metadata));
        }
        listing.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// Up to `length` bytes (and up to `MAX_READ`) from `offset`; none for a length of zero.
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

    /// The name, the size in bytes and the content to stream.
    pub fn download(&self, path: &str) -> Result<(String, u64, impl Read + Send + use<>), FileError> {
        let (mut file, size) = self.open(path, "Cannot download a directory.\n")?;
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        file.seek(SeekFrom::Start(0))
            .map_err(|error| FileError::Unknown(format!("Failed to read '{path}': {error}.\n")))?;
        // A log that grows while it is downloaded must not exceed the announced length.
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

/// A path without links, inside its root when it was looked at.
struct Found {
    root: PathBuf,
    real: PathBuf,
}

impl Found {
    /// A task may have put a link in the way since: none is followed now. Nor does the open wait for the other
    /// end of a pipe that a task has left there.
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
            // Kernels before 5.6, and sandboxes that do not know the call.
            Err(rustix::io::Errno::NOSYS) => {
                Ok(File::from(rustix::fs::openat(&root, rest, flags | OFlags::NOFOLLOW, Mode::empty())?))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Names of users and groups; a number stands for itself when the machine has no name for it.
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

/// `name:x:id:…`
fn parse_names(file: &Path) -> Vec<(u32, String)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(entry).collect()
}
