//! The sandbox that files are written to.
//!
//! The kernel resolves every path beneath the descriptor of the sandbox (openat2(2), `RESOLVE_BENEATH`). A symbolic
//! link to a directory of the sandbox is followed, as tar does; a link that leads out, by an absolute path or by `..`,
//! is not, no matter whether it came with an archive or existed before. On kernels before 5.6 no link is followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::sandbox_path::SandboxPath;

#[derive(Debug)]
pub(crate) struct Sandbox {
    root: OwnedFd,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

impl Sandbox {
    /// Opens the sandbox. The path above it belongs to the agent and may contain links; the sandbox itself must not be
    /// one.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Sandbox { root: rustix::fs::open(path, OFlags::RDONLY | DIRECTORY, Mode::empty())? })
    }

    /// Returns the directory of the sandbox itself.
    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn remove_file(&self, path: &SandboxPath) -> io::Result<()> {
        let (parents, name) = path.split();
        remove(self.directory(parents)?.as_fd(), name)
    }

    /// Changes the owner of the sandbox.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn give_to(&self, uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        Ok(rustix::fs::fchown(&self.root, Some(uid), Some(gid))?)
    }

    /// Creates an empty file in place of any existing file or link. Writing to an existing file could change another
    /// file through a hard link.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn create(&self, path: &SandboxPath) -> io::Result<File> {
        let (parents, name) = path.split();
        let parent = self.directory(parents)?;
        remove(parent.as_fd(), name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644))?))
    }

    /// Opens a file that was created here for reading.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn open_file(&self, path: &SandboxPath) -> io::Result<File> {
        let (parents, name) = path.split();
        let parent = self.directory(parents)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(rustix::fs::openat(&parent, name, flags, Mode::empty())?))
    }

    /// Appends to a file, which is created if it does not exist. It fails if it is not a regular file.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn append(&self, path: &SandboxPath, text: &[u8]) -> io::Result<()> {
        let (parents, name) = path.split();
        let parent = self.directory(parents)?;
        // The open must not wait for the other end of a pipe.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&parent, name, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        io::Write::write_all(&mut File::from(file), text)
    }

    /// Creates a directory. It replaces a link in its place, as tar does.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn create_directory(&self, path: &SandboxPath, mode: u32) -> io::Result<()> {
        let (parents, name) = path.split();
        let parent = self.directory(parents)?;
        let is_link = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        if is_link {
            remove(parent.as_fd(), name)?;
        }
        let directory = self.directory(path.names())?;
        // The owner must be able to write to the directory, whatever mode the archive has.
        set_mode(directory.as_fd(), (mode & 0o777) | 0o700)
    }

    /// Creates a named pipe in place of any existing file or link.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn create_pipe(&self, path: &SandboxPath, mode: u32) -> io::Result<()> {
        let (parents, name) = path.split();
        let parent = self.directory(parents)?;
        remove(parent.as_fd(), name)?;
        let mode = Mode::from_raw_mode((mode & 0o777) | 0o600);
        Ok(rustix::fs::mknodat(&parent, name, FileType::Fifo, mode, 0)?)
    }

    /// Creates a symbolic link to any target. Nothing is ever written through a link that leads out.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn link_symbolically(&self, path: &SandboxPath, target: &Path) -> io::Result<()> {
        let (parents, name) = path.split();
        let parent = self.directory(parents)?;
        remove(parent.as_fd(), name)?;
        Ok(rustix::fs::symlinkat(target, &parent, name)?)
    }

    /// Creates a hard link to a file or pipe of the sandbox, or to a symbolic link itself.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn link_hard(&self, path: &SandboxPath, target: &SandboxPath) -> io::Result<()> {
        let (target_parents, target_name) = target.split();
        let target_parent = self.existing_directory(target_parents)?;
        rustix::fs::statat(&target_parent, target_name, AtFlags::SYMLINK_NOFOLLOW)?;
        if path == target {
            return Ok(());
        }
        let (parents, name) = path.split();
        let parent = self.directory(parents)?;
        remove(parent.as_fd(), name)?;
        Ok(rustix::fs::linkat(&target_parent, target_name, &parent, name, AtFlags::empty())?)
    }

    /// Opens a directory and creates the missing parts of its path.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn directory(&self, names: &[OsString]) -> io::Result<OwnedFd> {
        match self.existing_directory(names) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => return outcome,
        }
        let mut at = self.root.try_clone()?;
        for (depth, name) in names.iter().enumerate() {
            match rustix::fs::mkdirat(&at, name.as_os_str(), Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            at = self.existing_directory(names.get(..=depth).unwrap_or(names))?;
        }
        Ok(at)
    }

    fn existing_directory(&self, names: &[OsString]) -> io::Result<OwnedFd> {
        if names.is_empty() {
            return self.root.try_clone();
        }
        let path: PathBuf = names.iter().collect();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat2(&self.root, &path, flags, Mode::empty(), BENEATH) {
            Err(Errno::NOSYS) => self.directory_without_links(names),
            // A link leads out of the sandbox, or links form a cycle.
            Err(Errno::XDEV | Errno::LOOP) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "a symbolic link on the way leads out of the sandbox, and nothing is written through it",
            )),
            outcome => Ok(outcome?),
        }
    }

    /// Does the same on kernels without openat2(2).
    fn directory_without_links(&self, names: &[OsString]) -> io::Result<OwnedFd> {
        let mut at = self.root.try_clone()?;
        for name in names {
            at = step(at.as_fd(), name)?;
        }
        Ok(at)
    }
}

/// Sets the mode of a file without set-user-id and set-group-id, and readable by its owner, because the file is about
/// to be used.
pub(crate) fn set_file_mode(file: &File, mode: u32) -> io::Result<()> {
    set_mode(file.as_fd(), (mode & 0o777) | 0o600)
}

pub(crate) fn set_modified(file: &File, seconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))?)
}

fn step(at: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(at, name, OFlags::RDONLY | DIRECTORY, Mode::empty())?)
}

fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
