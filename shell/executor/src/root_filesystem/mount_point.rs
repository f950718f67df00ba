//! Mount points in a root whose contents come from an image. Links of the image cannot lead out of the root.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount_remount};

/// The root of a container, before it is entered.
#[derive(Debug)]
pub struct ContainerRoot(OwnedFd);

/// The kind of a mount point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
}

/// Whether links of the image are followed in a path. They never lead out of the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Links are followed within the root. This is for paths that users choose.
    InRoot,
    /// Links are refused. This is for paths that the system relies on: a link in the place of `/proc` is an attack
    /// (CVE-2019-19921, CVE-2023-27561).
    Refused,
}

/// A file or directory to mount on. The descriptor is opened with `O_PATH`.
#[derive(Debug)]
pub struct MountPoint(OwnedFd);

impl MountPoint {
    /// Returns a path by which mount(2) reaches the mount point, even if its name changes.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

impl AsFd for MountPoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

impl ContainerRoot {
    /// Opens a directory of the host as a root.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(ContainerRoot(rustix::fs::open(path, PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Opens the same root once more.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(ContainerRoot)
    }

    /// Opens a directory of the root as a root.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn inner(&self, path: &Path) -> io::Result<Self> {
        self.existing(path, Links::InRoot).map(|point| ContainerRoot(point.0))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Opens a mount point. It is created with its parents if it is missing.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn mount_point(&self, path: &Path, kind: Kind, links: Links) -> io::Result<MountPoint> {
        match self.existing(path, links) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let mut so_far = PathBuf::new();
        let names: Vec<&OsStr> = path.strip_prefix("/").unwrap_or(path).iter().collect();
        for (depth, name) in names.iter().enumerate() {
            let parent = self.existing(&so_far, links)?;
            let made = if depth + 1 == names.len() && kind == Kind::File {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(&parent, *name, flags, Mode::from_raw_mode(0o644)).map(drop)
            } else {
                rustix::fs::mkdirat(&parent, *name, Mode::from_raw_mode(0o755))
            };
            match made {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            so_far.push(name);
        }
        self.existing(path, links)
    }

    /// Opens a mount point that exists.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn existing(&self, path: &Path, links: Links) -> io::Result<MountPoint> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let resolve = match links {
            Links::InRoot => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
            Links::Refused => ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
        };
        match rustix::fs::openat2(&self.0, relative, PATH, Mode::empty(), resolve) {
            Ok(fd) => Ok(MountPoint(fd)),
            Err(Errno::LOOP) => Err(io::Error::other("the image has a symbolic link in its place")),
            Err(Errno::NOSYS) => Err(io::Error::other("images need Linux 5.6 or newer")),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Changes the flags of a bind mount. Flags that it has already stay: a user namespace may not remove them
/// (mount_namespaces(7), "Restrictions on mount namespaces").
///
/// # Errors
/// Returns the error of the operating system.
pub fn remount_bind(path: &Path, flags: MountFlags) -> io::Result<()> {
    let own = rustix::fs::statvfs(path)?.f_flag;
    let kept = [
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
    ];
    let kept = kept.into_iter().filter(|(has, _)| own.contains(*has)).fold(flags, |flags, (_, keeps)| flags | keeps);
    Ok(mount_remount(path, kept | MountFlags::BIND, c"")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_an_image_does_not_leave_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("absolute")).unwrap();
        std::os::unix::fs::symlink("../outside", root.join("up")).unwrap();
        std::os::unix::fs::symlink("real", root.join("inside")).unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        let opened = ContainerRoot::open(&root).unwrap();
        let make = |path: &str, links| opened.mount_point(Path::new(path), Kind::Directory, links);
        assert!(make("/absolute", Links::Refused).is_err());
        assert!(make("/inside/x", Links::Refused).is_err());
        make("/inside/x", Links::InRoot).unwrap();
        assert!(root.join("real/x").is_dir());
        // A link that would lead out has no target inside the root.
        assert!(make("/up/x", Links::InRoot).is_err());
        opened.mount_point(Path::new("/a/b/file"), Kind::File, Links::InRoot).unwrap();
        assert!(root.join("a/b/file").is_file());
        assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
    }
}
