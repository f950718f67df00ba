//! The disk space of a directory with everything below it, as `du -s` counts it.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The unit of `st_blocks`, in bytes.
const BLOCK: u64 = 512;

/// A directory on the way down.
struct Level {
    /// The device and inode, which identify it.
    id: (u64, u64),
    /// The directories in it that have not been measured yet.
    pending: Vec<CString>,
}

/// Returns the space in bytes. Links are not followed, other file systems are left out, and a file with several names
/// counts once. At most two directories are open at once, however deep the tree is.
///
/// # Errors
/// Returns an error if the directory cannot be read, or is moved while it is measured.
pub(crate) fn disk_usage(path: &Path) -> io::Result<u64> {
    let mut directory = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
    let root = rustix::fs::fstat(&directory)?;
    let mut sum = Sum { device: root.st_dev, bytes: blocks(&root), linked: HashSet::new() };
    let mut levels = vec![Level { id: id(&root), pending: sum.add_entries(&directory)? }];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.pending.pop() else {
            levels.pop();
            if let Some(parent) = levels.last() {
                directory = rustix::fs::openat(&directory, c"..", DIRECTORY, Mode::empty())?;
                if id(&rustix::fs::fstat(&directory)?) != parent.id {
                    return Err(io::Error::other("a directory was moved while it was measured"));
                }
            }
            continue;
        };
        match rustix::fs::openat(&directory, &*name, DIRECTORY, Mode::empty()) {
            Ok(child) => {
                let stat = rustix::fs::fstat(&child)?;
                if stat.st_dev == sum.device {
                    levels.push(Level { id: id(&stat), pending: sum.add_entries(&child)? });
                    directory = child;
                }
            }
            // It was removed or replaced meanwhile.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(sum.bytes)
}

struct Sum {
    device: u64,
    bytes: u64,
    /// The files with several names that were counted.
    linked: HashSet<u64>,
}

impl Sum {
    /// Adds the entries of a directory, and returns the directories among them.
    fn add_entries(&mut self, directory: &OwnedFd) -> io::Result<Vec<CString>> {
        let mut directories = Vec::new();
        for entry in Dir::read_from(directory.as_fd())? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno.into()),
            };
            if stat.st_dev != self.device {
                continue;
            }
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_directory {
                directories.push(name.to_owned());
            }
            if is_directory || stat.st_nlink == 1 || self.linked.insert(stat.st_ino) {
                self.bytes = self.bytes.saturating_add(blocks(&stat));
            }
        }
        Ok(directories)
    }
}

fn id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn blocks(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_space_is_that_of_du() {
        let directory = tempfile::tempdir().unwrap();
        let mut deep = directory.path().to_owned();
        for level in 0..50 {
            deep.push(format!("level {level}"));
        }
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("file"), vec![1; 100_000]).unwrap();
        std::fs::write(directory.path().join("one"), vec![1; 10_000]).unwrap();
        std::fs::hard_link(directory.path().join("one"), deep.join("two")).unwrap();
        std::os::unix::fs::symlink("/usr", directory.path().join("link")).unwrap();
        let output = std::process::Command::new("du").arg("-sk").arg(directory.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let expect: u64 = text.split_whitespace().next().unwrap().parse().unwrap();
        assert_eq!(disk_usage(directory.path()).unwrap() / 1024, expect);
        assert!(disk_usage(&directory.path().join("link")).is_err());
    }
}
