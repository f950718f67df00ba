//! The backend `copy`: one directory with the files of all layers, for kernels and file systems without overlayfs
//! (Mesos' `provisioner/backends/copy.cpp`).
//!
//! Layers are in the form of overlayfs: a whiteout is a character device 0/0, an opaque directory has an attribute. No
//! link of an image is followed: source and target are opened part by part.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use untrusted_files::remove_tree_at;

use crate::layer::is_opaque;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
/// The depth of directories at which a copy ends: each level takes two descriptors.
const MAX_DEPTH: usize = 400;

/// Copies layers, the lowest first, into an empty directory.
///
/// # Errors
/// A file cannot be read or written. The directory has an incomplete root then.
pub(crate) fn copy_layers(layers: &[PathBuf], target: &Path) -> io::Result<()> {
    for layer in layers {
        let from = rustix::fs::open(layer, DIRECTORY, Mode::empty())?;
        let to = rustix::fs::open(target, DIRECTORY, Mode::empty())?;
        let mut copy = LayerCopy { links: HashMap::new(), root: to.try_clone()? };
        copy.directory(from.as_fd(), to.as_fd(), Path::new(""), 0)?;
    }
    Ok(())
}

struct LayerCopy {
    /// The copies of files with several names, by device and inode.
    links: HashMap<(u64, u64), PathBuf>,
    root: OwnedFd,
}

impl LayerCopy {
    fn directory(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, path: &Path, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other(format!("directories are nested deeper than {MAX_DEPTH}")));
        }
        if is_opaque(from) {
            for name in names(to)? {
                remove_tree_at(to, OsStr::from_bytes(name.to_bytes()))?;
            }
        }
        for name in names(from)? {
            let stat = rustix::fs::statat(from, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
            self.entry(from, to, &name, &stat, &path.join(OsStr::from_bytes(name.to_bytes())), depth)?;
        }
        let stat = rustix::fs::fstat(from)?;
        copy_attributes(from, to)?;
        rustix::fs::fchown(to, owner(&stat).0, owner(&stat).1).or_else(ignored)?;
        rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        Ok(rustix::fs::futimens(to, &times(&stat))?)
    }

    fn entry(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        path: &Path,
        depth: usize,
    ) -> io::Result<()> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let shown = OsStr::from_bytes(name.to_bytes());
        if kind == FileType::Directory {
            match rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700)) {
                Err(Errno::EXIST) => {
                    let existing = rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    if FileType::from_raw_mode(existing.st_mode) != FileType::Directory {
                        rustix::fs::unlinkat(to, name, AtFlags::empty())?;
                        rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700))?;
                    }
                }
                made => made?,
            }
            let inner_from = rustix::fs::openat(from, name, DIRECTORY, Mode::empty())?;
            let inner_to = rustix::fs::openat(to, name, DIRECTORY, Mode::empty())?;
            return self.directory(inner_from.as_fd(), inner_to.as_fd(), path, depth + 1);
        }
        remove_tree_at(to, shown)?;
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return Ok(());
        }
        let key = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1
            && let Some(first) = self.links.get(&key)
        {
            // The path was made by this copy without links.
            return Ok(rustix::fs::linkat(&self.root, first, to, name, AtFlags::empty())?);
        }
        match kind {
            FileType::RegularFile => copy_file(from, to, name, stat)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(&*target, to, name)?;
                set_owner_and_time(to, name, stat)?;
            }
            kind => {
                rustix::fs::mknodat(to, name, kind, Mode::from_raw_mode(0o600), stat.st_rdev)?;
                set_owner_and_time(to, name, stat)?;
                rustix::fs::chmodat(to, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
            }
        }
        if stat.st_nlink > 1 {
            self.links.insert(key, path.to_owned());
        }
        Ok(())
    }
}

fn copy_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<()> {
    let mut source = File::from(rustix::fs::openat(from, name, FILE, Mode::empty())?);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(rustix::fs::openat(to, name, flags, Mode::from_raw_mode(0o600))?);
    // The kernel shares the blocks where the file system can.
    io::copy(&mut source, &mut copy)?;
    rustix::fs::fchown(&copy, owner(stat).0, owner(stat).1).or_else(ignored)?;
    rustix::fs::fchmod(&copy, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    copy_attributes(source.as_fd(), copy.as_fd())?;
    Ok(rustix::fs::futimens(&copy, &times(stat))?)
}

fn set_owner_and_time(at: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<()> {
    let (user, group) = owner(stat);
    rustix::fs::chownat(at, name, user, group, AtFlags::SYMLINK_NOFOLLOW).or_else(ignored)?;
    Ok(rustix::fs::utimensat(at, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Copies extended attributes except those of overlayfs.
fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let mut list = vec![0; 64 * 1024];
    let length = match rustix::fs::flistxattr(from, &mut list) {
        Err(Errno::NOTSUP) => return Ok(()),
        length => length?,
    };
    let names = list.get(..length).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty());
    for name in names {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        let name = CString::new(name)?;
        let mut value = vec![0; 64 * 1024];
        let length = rustix::fs::fgetxattr(from, &*name, &mut value)?;
        let value = value.get(..length).unwrap_or_default();
        match rustix::fs::fsetxattr(to, &*name, value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Ignores that only root can give files away: without root, all files belong to the user of the agent.
fn ignored(errno: Errno) -> Result<(), Errno> {
    if errno == Errno::PERM && !rustix::process::geteuid().is_root() { Ok(()) } else { Err(errno) }
}

fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn owner(stat: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Returns a time. The type of the nanoseconds depends on the architecture.
fn time<N: TryInto<i64>>(seconds: i64, nanoseconds: N) -> Timespec {
    Timespec { tv_sec: seconds, tv_nsec: nanoseconds.try_into().unwrap_or(0) }
}
