//! The removal of a directory with everything below it.
//!
//! A container may nest directories a hundred thousand levels deep. A removal that calls itself for each level, as
//! `std::fs::remove_dir_all` does, would run out of descriptors or overflow its stack, which ends the whole process.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory on the way down.
struct Level {
    /// The device and the inode, which identify it.
    id: (u64, u64),
    /// The name in the directory above.
    name: CString,
    /// The directories in it that are still there.
    pending: Vec<CString>,
}

/// Removes a file, a link, or a directory with everything below it. Links in it are removed and never followed; those
/// in the path above it are followed. A path that does not exist is no error.
///
/// # Errors
/// Returns the error of the operating system. The path is its own root or ends in `..`, a file system is mounted in the
/// directory, or somebody moves parts of it meanwhile.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(parent, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        parent => remove_tree_at(parent?.as_fd(), name),
    }
}

/// Removes an entry of a directory like [`remove_tree`]. At most two directories are open at once, however deep the
/// tree is.
///
/// # Errors
/// Returns the errors of [`remove_tree`].
pub fn remove_tree_at(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let name = CString::new(name.as_bytes())?;
    match rustix::fs::unlinkat(parent, &*name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(errno @ (Errno::ISDIR | Errno::PERM)) if !is_directory(parent, &name) => return Err(errno.into()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let (mut directory, stat) = open(parent, &name)?;
    let device = stat.st_dev;
    let mut levels = vec![Level { id: id(&stat), name: name.clone(), pending: remove_files(&directory)? }];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.pending.pop() {
            let (child, stat) = open(directory.as_fd(), &name)?;
            if stat.st_dev != device {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another file system is mounted in it"));
            }
            levels.push(Level { id: id(&stat), name, pending: remove_files(&child)? });
            directory = child;
            continue;
        }
        let Some(done) = levels.pop() else { break };
        let Some(above) = levels.last() else { break };
        directory = rustix::fs::openat(&directory, c"..", DIRECTORY, Mode::empty())?;
        if id(&rustix::fs::fstat(&directory)?) != above.id {
            return Err(io::Error::other("a directory was moved while it was removed"));
        }
        rustix::fs::unlinkat(&directory, &*done.name, AtFlags::REMOVEDIR)?;
    }
    Ok(rustix::fs::unlinkat(parent, &*name, AtFlags::REMOVEDIR)?)
}

/// Opens a directory. Without root, its owner may have to be let in first: overlayfs and containers make directories
/// without permissions.
fn open(at: BorrowedFd<'_>, name: &CStr) -> io::Result<(OwnedFd, Stat)> {
    let directory = match rustix::fs::openat(at, name, DIRECTORY, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // Kernels before 6.6 change the mode of what a name stands for only if they may follow a link.
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = rustix::fs::openat(at, name, flags, Mode::empty())?;
            rustix::fs::chmod(format!("/proc/self/fd/{}", found.as_raw_fd()), Mode::RWXU)?;
            rustix::fs::openat(&found, c".", DIRECTORY, Mode::empty())?
        }
        opened => opened?,
    };
    let stat = rustix::fs::fstat(&directory)?;
    if stat.st_mode & Mode::RWXU.as_raw_mode() != Mode::RWXU.as_raw_mode() {
        // Root needs no permissions.
        let _ = rustix::fs::fchmod(&directory, Mode::RWXU);
    }
    Ok((directory, stat))
}

/// Removes everything of a directory but the directories in it, whose names it returns.
fn remove_files(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut directories = Vec::new();
    for entry in Dir::read_from(directory.as_fd())? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) if is_directory(directory.as_fd(), name) => {
                directories.push(name.to_owned())
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(directories)
}

fn is_directory(at: BorrowedFd<'_>, name: &CStr) -> bool {
    rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn everything_is_removed_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (tree, outside) = (directory.path().join("tree"), directory.path().join("outside"));
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir_all(tree.join("a/d")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        fs::write(tree.join("a/b/file"), "").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        symlink("/no/such", tree.join("a/b/c/dangling")).unwrap();
        fs::set_permissions(tree.join("a/b"), PermissionsExt::from_mode(0o500)).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
        // What does not exist, a link, and a file.
        remove_tree(&tree).unwrap();
        remove_tree(&tree.join("not/there")).unwrap();
        symlink(&outside, &tree).unwrap();
        remove_tree(&tree).unwrap();
        remove_tree(&outside.join("kept")).unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        for refused in ["/", "..", "a/.."] {
            assert_eq!(remove_tree(Path::new(refused)).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{refused}");
        }
    }

    /// `std::fs::remove_dir_all` overflows the stack of a test's thread here.
    #[test]
    fn the_depth_of_a_tree_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let top = rustix::fs::open(directory.path(), DIRECTORY, Mode::empty()).unwrap();
        let mut at = top.try_clone().unwrap();
        for _ in 0..50_000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, "d", DIRECTORY, Mode::empty()).unwrap();
        }
        drop(at);
        remove_tree_at(top.as_fd(), OsStr::new("d")).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
