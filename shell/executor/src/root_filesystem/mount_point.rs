//! Mount points in a root whose contents come from an image. Links of the image cannot lead out of the root.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount_remount};
use untrusted_files::{MAX_LINKS, target_below_root};

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

    /// Opens a mount point. It is created with its parents if it is missing; where a link of the image leads to
    /// nothing, its target is created.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn mount_point(&self, path: &Path, kind: Kind, links: Links) -> io::Result<MountPoint> {
        self.make(path, kind, links, 0)
    }

    fn make(&self, path: &Path, kind: Kind, links: Links, followed: u32) -> io::Result<MountPoint> {
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
                Ok(()) => {}
                Err(Errno::EXIST) if links == Links::InRoot && followed < MAX_LINKS => {
                    if let Ok(target) = rustix::fs::readlinkat(&parent, *name, Vec::new())
                        && self.existing(&so_far.join(name), links).is_err()
                    {
                        let target = target_below_root(&so_far, Path::new(OsStr::from_bytes(target.to_bytes())));
                        let rest = names.get(depth + 1..).unwrap_or_default();
                        return self.make(
                            &rest.iter().fold(target, |path, name| path.join(name)),
                            kind,
                            links,
                            followed + 1,
                        );
                    }
                }
                Err(Errno::EXIST) => {}
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
            Ok(fd) if links == Links::InRoot && is_kernel_file_system(&fd)? => {
                Err(io::Error::other("links of the image lead to /proc or /sys"))
            }
            Ok(fd) => Ok(MountPoint(fd)),
            Err(Errno::LOOP) => Err(io::Error::other("the image has a symbolic link in its place")),
            Err(Errno::NOSYS) => Err(io::Error::other("images need Linux 5.6 or newer")),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// The types of file systems that show the kernel (statfs(2)): procfs, sysfs and both versions of cgroups. Nothing is
/// mounted in them, whatever links an image has: a container whose /proc is not the kernel's would get other privileges
/// than it seems to have (CVE-2019-16884, CVE-2025-52881).
const KERNEL_FILE_SYSTEMS: [u64; 4] = [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270];

fn is_kernel_file_system(fd: &OwnedFd) -> io::Result<bool> {
    Ok(KERNEL_FILE_SYSTEMS.contains(&(rustix::fs::fstatfs(fd)?.f_type as u64)))
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
        // A link that would lead out leads to a place of that name inside the root.
        make("/up/x", Links::InRoot).unwrap();
        assert!(root.join("outside/x").is_dir());
        std::os::unix::fs::symlink("/run/resolv.conf", root.join("file")).unwrap();
        opened.mount_point(Path::new("/file"), Kind::File, Links::InRoot).unwrap();
        assert!(root.join("run/resolv.conf").is_file());
        std::os::unix::fs::symlink("circle", root.join("circle")).unwrap();
        assert!(make("/circle/x", Links::InRoot).is_err());
        opened.mount_point(Path::new("/a/b/file"), Kind::File, Links::InRoot).unwrap();
        assert!(root.join("a/b/file").is_file());
        assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
    }

    /// Another process of the container exchanges a directory and a link while the mount point is made (CVE-2021-30465,
    /// CVE-2024-45310).
    #[test]
    fn a_race_with_a_link_is_not_won() {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use std::sync::atomic::{AtomicBool, Ordering};
        let directory = tempfile::tempdir().unwrap();
        let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
        for path in [root.join("a"), outside.clone()] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
        let opened = ContainerRoot::open(&root).unwrap();
        let ended = AtomicBool::new(false);
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let reached = || std::fs::read_dir(&outside).unwrap().count() > 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (a, link) = (root.join("a"), root.join("link"));
                while !ended.load(Ordering::Relaxed) {
                    renameat_with(CWD, &a, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let _end = End(&ended);
            let begun = std::time::Instant::now();
            let mut number = 0;
            while begun.elapsed() < std::time::Duration::from_millis(300) {
                number += 1;
                let path = PathBuf::from(format!("/a/b{number}/c"));
                // An attempt may fail while the names change.
                if let Ok(point) = opened.mount_point(&path, Kind::Directory, Links::InRoot) {
                    let place = std::fs::read_link(point.path()).unwrap();
                    assert!(place.starts_with(&root), "{}", place.display());
                }
            }
            assert!(!reached(), "something was made outside");
            // A runtime that looks up paths loses the same race.
            testkit::wait::until("a path leads outside", || {
                number += 1;
                let _ = std::fs::create_dir_all(root.join(format!("a/b{number}/c")));
                reached().then_some(())
            });
        });
    }
}
