//! Volumes: a file or directory of the host, of a sandbox, or of a secret, at a path in the container.
//!
//! The agent opens and clones a source on the host before the container exists, and makes the mount point. The child
//! attaches the clone. Below a sandbox, no link is ever followed: the container controls its sandbox and may put
//! links into it (CVE-2021-30465).

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree};

use crate::requests::{Propagation, SecretData, Volume, VolumeSource};
use crate::{Error, Launch, User};

/// A volume whose paths have been decided, which still has to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeMount {
    /// The source.
    pub source: Source,
    /// The place in the container.
    pub target: Target,
    /// Whether the mount is read-only.
    pub read_only: bool,
    /// Whether mounts that the container makes in the volume appear on the host.
    pub bidirectional: bool,
    /// The owner of what has to be made; `None` for the agent.
    pub owner: Option<User>,
}

/// The source of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A path of the host, which an operator or a framework names. Links in it are followed.
    Host {
        /// The absolute path.
        path: PathBuf,
        /// Whether a missing directory is made (`--host_path_volume_force_creation`).
        make: bool,
    },
    /// A file that is made in the memory of the container.
    Secret(SecretData),
    /// A path below a sandbox. No link is followed; a missing directory is made.
    Beneath {
        /// The sandbox.
        root: PathBuf,
        /// The path below it; empty for the sandbox itself.
        path: PathBuf,
    },
}

/// The place of a volume in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Below the sandbox. The mount point is made.
    Sandbox {
        /// The sandbox.
        root: PathBuf,
        /// The path below it.
        path: PathBuf,
    },
    /// An absolute path of the host, which exists.
    Host(PathBuf),
    /// An absolute path in the image. The volume is mounted on the staging path, an empty file or directory that is
    /// made, until another process makes the root of the container.
    Image {
        /// The path in the image.
        path: PathBuf,
        /// The path of the host.
        staging: PathBuf,
    },
}

/// An opened volume.
#[derive(Debug)]
pub(crate) struct PreparedVolume {
    source: PreparedSource,
    /// The directory that the mount point is below. Links may lead to it.
    root: CString,
    /// The mount point below it, reached without links.
    path: CString,
}

#[derive(Debug)]
enum PreparedSource {
    /// A detached mount of the source.
    Tree(OwnedFd),
    /// A path below a sandbox. The child opens it, since volumes may be mounted there that only the container sees.
    Beneath {
        root: CString,
        path: CString,
        read_only: bool,
    },
    Secret(PreparedSecret),
}

/// A secret, which the child writes to a memory of its own.
#[derive(Debug)]
struct PreparedSecret {
    data: SecretData,
    /// An empty directory, on which the memory is mounted for a moment.
    staging: CString,
    /// The file in it.
    file: CString,
    owner: Option<(Uid, Gid)>,
    read_only: bool,
}

/// Decides where a volume comes from and goes to.
///
/// # Errors
/// Returns [`Error::Volume`] with what is wrong with it.
pub(crate) fn resolve(volume: &Volume, launch: &Launch, number: usize, made: &[PathBuf]) -> Result<VolumeMount, Error> {
    let refused = |reason: String| Error::Volume { path: volume.container_path.clone(), reason };
    let (image, sandbox) = (launch.requests.image.as_ref(), &launch.working_directory);
    let owner = image.map_or(launch.user.as_ref(), |image| image.user.as_ref()).cloned();
    let source = match &volume.source {
        VolumeSource::HostPath { path, .. } => {
            let make = made.iter().any(|prefix| path.starts_with(prefix));
            Source::Host { path: plain_absolute(path).map_err(refused)?, make }
        }
        VolumeSource::Secret(data) => Source::Secret(data.clone()),
        VolumeSource::Sandbox { root, path } => {
            Source::Beneath { root: root.clone(), path: plain_relative(path).map_err(refused)? }
        }
    };
    let target = match (volume.container_path.is_absolute(), image) {
        (false, _) => {
            let path = plain_relative(&volume.container_path).map_err(refused)?;
            if path.as_os_str().is_empty() {
                return Err(refused("it would hide the sandbox: give it a name".to_owned()));
            }
            Target::Sandbox { root: sandbox.clone(), path }
        }
        (true, image) => {
            let path = plain_absolute(&volume.container_path).map_err(refused)?;
            if path == Path::new("/") || path.starts_with("/proc") {
                return Err(refused("volumes cannot be mounted on / or in /proc".to_owned()));
            }
            match image {
                Some(image) => {
                    let staging = image.isolation.with_file_name("volumes").join(number.to_string());
                    Target::Image { path, staging }
                }
                None => Target::Host(path),
            }
        }
    };
    let bidirectional = matches!(volume.source, VolumeSource::HostPath { propagation: Propagation::Bidirectional, .. });
    Ok(VolumeMount { source, target, read_only: volume.read_only, bidirectional, owner })
}

/// Returns a relative path without `.`; it must not have `..`.
fn plain_relative(path: &Path) -> Result<PathBuf, String> {
    path.components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(format!("'{}' must be a relative path without '..'", path.display())),
        })
        .collect()
}

/// Returns an absolute path without `.`; it must not have `..`.
fn plain_absolute(path: &Path) -> Result<PathBuf, String> {
    let plain = path.strip_prefix("/").ok().and_then(|path| plain_relative(path).ok());
    plain
        .map(|path| Path::new("/").join(path))
        .ok_or_else(|| format!("'{}' must be an absolute path without '..'", path.display()))
}

impl PreparedVolume {
    /// Opens the source and the mount point of a volume, and makes what may be made. `secrets` is an empty directory for
    /// volumes with secrets.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] with what is missing.
    pub(crate) fn new(mount: &VolumeMount, secrets: &Path) -> Result<Self, Error> {
        let refused = |reason: String| Error::Volume { path: mount.target.path().to_owned(), reason };
        if let Source::Secret(data) = &mount.source {
            return Self::secret(mount, data, secrets).map_err(refused);
        }
        let source = open_source(mount).map_err(refused)?;
        let is_directory = is_directory(&source).map_err(|error| refused(error.to_string()))?;
        let target = open_target(mount, is_directory).map_err(refused)?;
        if is_directory != self::is_directory(&target).map_err(|error| refused(error.to_string()))? {
            return Err(refused("a file cannot be mounted on a directory, nor a directory on a file".to_owned()));
        }
        if let Source::Beneath { root, path } = &mount.source {
            let (root, path) = (text(root.as_os_str()).map_err(refused)?, text(path.as_os_str()).map_err(refused)?);
            let source = PreparedSource::Beneath { root, path, read_only: mount.read_only };
            return Self::with_source(mount, source).map_err(refused);
        }
        let unmounted = |errno: Errno| refused(format!("it cannot be mounted: {}", io::Error::from(errno)));
        let tree = open_tree(&source, c"", CLONE).map_err(unmounted)?;
        let changed = crate::binds::set_attributes(tree.as_fd(), mount.read_only, mount.bidirectional);
        changed.map_err(|errno| match errno {
            Errno::NOSYS => refused("volumes need Linux 5.12 or newer".to_owned()),
            errno => unmounted(errno),
        })?;
        Self::with_source(mount, PreparedSource::Tree(tree)).map_err(refused)
    }

    fn secret(mount: &VolumeMount, data: &SecretData, staging: &Path) -> Result<Self, String> {
        if is_directory(&open_target(mount, false)?).map_err(|error| error.to_string())? {
            return Err("a secret is a file and cannot be mounted on a directory".to_owned());
        }
        std::fs::create_dir_all(staging).map_err(|error| format!("'{}': {error}", staging.display()))?;
        let secret = PreparedSecret {
            data: data.clone(),
            staging: text(staging.as_os_str())?,
            file: text(staging.join("secret").as_os_str())?,
            owner: mount.owner.as_ref().map(|user| (Uid::from_raw(user.uid), Gid::from_raw(user.gid))),
            read_only: mount.read_only,
        };
        Self::with_source(mount, PreparedSource::Secret(secret))
    }

    fn with_source(mount: &VolumeMount, source: PreparedSource) -> Result<Self, String> {
        let (root, path) = mount.target.parts().ok_or_else(|| "it has no name".to_owned())?;
        Ok(PreparedVolume { source, root: text(root.as_os_str())?, path: text(path.as_os_str())? })
    }

    /// Mounts the volume in the mount namespace of the caller. System calls only.
    pub(crate) fn attach(&self) -> Result<(), Errno> {
        match &self.source {
            PreparedSource::Tree(tree) => self.attach_tree(tree.as_fd()),
            PreparedSource::Beneath { root, path, read_only } => {
                let root = rustix::fs::open(&**root, PLACE | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
                let source = match path.is_empty() {
                    true => root,
                    false => rustix::fs::openat2(&root, &**path, PLACE, Mode::empty(), BENEATH)?,
                };
                let tree = open_tree(&source, c"", CLONE)?;
                crate::binds::set_attributes(tree.as_fd(), *read_only, false)?;
                self.attach_tree(tree.as_fd())
            }
            PreparedSource::Secret(secret) => self.attach_tree(secret.mount()?.as_fd()),
        }
    }

    fn attach_tree(&self, tree: BorrowedFd<'_>) -> Result<(), Errno> {
        let root = rustix::fs::open(&*self.root, PLACE | OFlags::DIRECTORY, Mode::empty())?;
        let target = rustix::fs::openat2(&root, &*self.path, PLACE, Mode::empty(), BENEATH)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(tree, c"", &target, c"", flags)
    }
}

impl PreparedSecret {
    /// Writes the secret to a memory that is not swapped out, and returns a detached mount of the file. The caller has a
    /// mount namespace of its own.
    fn mount(&self) -> Result<OwnedFd, Errno> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount(c"ramfs", &*self.staging, c"ramfs", flags, Some(c"mode=0700"))?;
        let made = self.write();
        let detached = rustix::mount::unmount(&*self.staging, UnmountFlags::DETACH);
        let tree = made?;
        detached?;
        Ok(tree)
    }

    fn write(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::open(&*self.file, flags, Mode::from_raw_mode(0o600))?;
        let mut left = self.data.bytes();
        while !left.is_empty() {
            let written = rustix::io::write(&file, left)?;
            left = left.get(written..).unwrap_or_default();
        }
        if let Some((uid, gid)) = self.owner {
            rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, &*self.file, flags)?;
        crate::binds::set_attributes(tree.as_fd(), self.read_only, false)?;
        Ok(tree)
    }
}

fn text(path: &OsStr) -> Result<CString, String> {
    CString::new(path.as_bytes()).map_err(|_| "a path has a zero byte".to_owned())
}

/// A detached copy of a mount and of those below it.
const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_RECURSIVE)
    .union(OpenTreeFlags::AT_EMPTY_PATH);
/// A file or directory that is not read. It must not be combined with `O_NOFOLLOW`, with which openat2(2) returns a link
/// in the last place instead of an error.
const PLACE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

impl Target {
    /// Returns the path in the container.
    fn path(&self) -> &Path {
        match self {
            Target::Sandbox { path, .. } | Target::Host(path) | Target::Image { path, .. } => path,
        }
    }

    /// Returns the directory that links may lead to, and the path below it.
    fn parts(&self) -> Option<(&Path, &Path)> {
        let last = |path| Some((Path::parent(path)?, Path::new(Path::file_name(path)?)));
        match self {
            Target::Sandbox { root, path } => Some((root, path)),
            Target::Host(path) => last(path),
            Target::Image { staging, .. } => last(staging),
        }
    }
}

fn open_source(mount: &VolumeMount) -> Result<OwnedFd, String> {
    let (path, opened) = match &mount.source {
        Source::Host { path, make } => {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let open = || rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from);
            let opened = match open() {
                Err(error) if error.kind() == io::ErrorKind::NotFound && *make => {
                    std::fs::create_dir_all(path).and_then(|()| open())
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let hint = "make it, or name it in the agent's --host_path_volume_force_creation";
                    return Err(format!("the path '{}' does not exist on the agent: {hint}", path.display()));
                }
                opened => opened,
            };
            if mount.bidirectional && !is_shared(path).unwrap_or(false) {
                let path = path.display();
                return Err(format!("'{path}' is not on a shared mount, which BIDIRECTIONAL propagation needs"));
            }
            (path.clone(), opened)
        }
        // A secret is made by the child.
        Source::Secret(_) => return Err("a secret has no file".to_owned()),
        Source::Beneath { root, path } => (root.join(path), open_beneath(root, path, Some(mount.owner.as_ref()))),
    };
    opened.map_err(|error| format!("the source '{}' cannot be opened: {error}", path.display()))
}

fn open_target(mount: &VolumeMount, is_directory: bool) -> Result<OwnedFd, String> {
    let opened = match &mount.target {
        Target::Host(path) => {
            let found = rustix::fs::open(path, PLACE | OFlags::NOFOLLOW, Mode::empty());
            if found.as_ref().is_err_and(|errno| *errno == Errno::NOENT) {
                return Err(format!("Absolute container path '{}' does not exist", path.display()));
            }
            found.map_err(io::Error::from)
        }
        Target::Sandbox { root, path } => mount_point(root, path, is_directory, mount.owner.as_ref()),
        Target::Image { staging, .. } => match (staging.parent(), staging.file_name()) {
            (Some(directory), Some(name)) => std::fs::create_dir_all(directory)
                .and_then(|()| mount_point(directory, Path::new(name), is_directory, None)),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        },
    };
    opened.map_err(|error| format!("the mount point cannot be made: {error}"))
}

/// Opens a mount point below a directory without following a link, and makes it if it is missing.
fn mount_point(root: &Path, path: &Path, is_directory: bool, owner: Option<&User>) -> io::Result<OwnedFd> {
    if is_directory {
        return open_beneath(root, path, Some(owner));
    }
    let parent = open_beneath(root, path.parent().unwrap_or(Path::new("")), Some(owner))?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644)) {
        Ok(file) => own(&file, owner)?,
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(rustix::fs::openat2(&parent, name, PLACE, Mode::empty(), BENEATH)?)
}

/// Opens a path below a directory without following a link. With `make`, directories that are missing are made for this
/// owner.
fn open_beneath(root: &Path, path: &Path, make: Option<Option<&User>>) -> io::Result<OwnedFd> {
    let mut directory = rustix::fs::open(root, PLACE | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    for name in path.iter() {
        let opened = rustix::fs::openat2(&directory, name, PLACE, Mode::empty(), BENEATH);
        directory = match (opened, make) {
            (Err(Errno::NOENT), Some(owner)) => {
                rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755))?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let made = rustix::fs::openat2(&directory, name, flags, Mode::empty(), BENEATH)?;
                own(&made, owner)?;
                rustix::fs::openat2(&directory, name, PLACE, Mode::empty(), BENEATH)?
            }
            (opened, _) => opened?,
        };
    }
    Ok(directory)
}

fn own(file: &OwnedFd, owner: Option<&User>) -> io::Result<()> {
    let Some(owner) = owner else { return Ok(()) };
    Ok(rustix::fs::fchown(file, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?)
}

fn is_directory(file: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode) == FileType::Directory)
}

/// Returns whether the mount that has this path is shared (proc_pid_mountinfo(5)).
fn is_shared(path: &Path) -> io::Result<bool> {
    let (path, table) = (path.canonicalize()?, std::fs::read_to_string("/proc/self/mountinfo")?);
    Ok(shared_mount(&table, &path))
}

/// Returns whether the last of the deepest mounts above the path is shared.
fn shared_mount(table: &str, path: &Path) -> bool {
    let mount = |line: &str| {
        let mut fields = line.split(' ');
        let point = PathBuf::from(fields.nth(4)?);
        let shared = fields.skip(1).take_while(|field| *field != "-").any(|field| field.starts_with("shared:"));
        path.starts_with(&point).then(|| (point.components().count(), shared))
    };
    table.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).is_some_and(|(_, shared)| shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain() {
        for (path, expect) in [("a/./b", Some("a/b")), ("a", Some("a")), ("", Some("")), ("../a", None), ("/a", None)] {
            assert_eq!(plain_relative(Path::new(path)).ok().as_deref(), expect.map(Path::new), "{path}");
        }
        for (path, expect) in [("/a/./b", Some("/a/b")), ("/", Some("/")), ("a", None), ("/a/../b", None)] {
            assert_eq!(plain_absolute(Path::new(path)).ok().as_deref(), expect.map(Path::new), "{path}");
        }
    }

    #[test]
    fn the_deepest_mount_decides() {
        let table = "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\n2 1 8:2 / /a/b rw - ext4 /dev/sdb rw\n\
                     3 1 8:3 / /c rw master:2 shared:9 - ext4 /dev/sdc rw\n";
        for (path, expect) in [("/a", true), ("/a/b/c", false), ("/c/d", true), ("/a/bc", true)] {
            assert_eq!(shared_mount(table, Path::new(path)), expect, "{path}");
        }
    }

    #[test]
    fn a_link_in_a_sandbox_does_not_leave_it() {
        let directory = tempfile::tempdir().unwrap();
        let (sandbox, outside) = (directory.path().join("sandbox"), directory.path().join("outside"));
        std::fs::create_dir(&sandbox).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, sandbox.join("link")).unwrap();
        for path in ["link", "link/inner"] {
            assert!(open_beneath(&sandbox, Path::new(path), Some(None)).is_err(), "{path}");
            assert!(mount_point(&sandbox, Path::new(path), false, None).is_err(), "{path}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        open_beneath(&sandbox, Path::new("a/b"), Some(None)).unwrap();
        mount_point(&sandbox, Path::new("a/file"), false, None).unwrap();
        assert!(sandbox.join("a/b").is_dir() && sandbox.join("a/file").is_file());
    }
}
