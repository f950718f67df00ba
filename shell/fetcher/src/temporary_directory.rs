//! A fresh directory of the sandbox, for a program that writes to a path. It and its files are removed at the end.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::sandbox::Sandbox;
use crate::sandbox_path::SandboxPath;

/// The number of names that are tried. The files of the sandbox may have some of them.
const NAMES: u32 = 1000;

#[derive(Debug)]
pub(crate) struct TemporaryDirectory<'s> {
    sandbox: &'s Sandbox,
    name: String,
    directory: OwnedFd,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Sandbox {
    /// Makes an empty directory that only its owner can use.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn temporary_directory(&self) -> io::Result<TemporaryDirectory<'_>> {
        for number in 0..NAMES {
            let name = format!(".fetch-{number}");
            match rustix::fs::mkdirat(self.root(), &name, Mode::RWXU) {
                Err(Errno::EXIST) => continue,
                made => made?,
            }
            let directory = rustix::fs::openat(self.root(), &name, DIRECTORY, Mode::empty())?;
            return Ok(TemporaryDirectory { sandbox: self, name, directory });
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "the sandbox has too many directories named .fetch-*"))
    }
}

impl TemporaryDirectory<'_> {
    /// Returns its name in the sandbox.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates a file.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if it is not a regular file.
    pub fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, name, flags, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(File::from(file))
    }

    /// Returns the bytes of its files.
    pub fn size(&self) -> u64 {
        let sizes = self.names().into_iter().filter_map(|name| {
            let stat = rustix::fs::statat(&self.directory, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            u64::try_from(stat.st_size).ok()
        });
        sizes.sum()
    }

    /// Moves a file to a path of the sandbox, in place of any existing file or link.
    ///
    /// # Errors
    /// Returns the error of the operating system, also if a link on the way leads out of the sandbox.
    pub fn move_file(&self, name: &str, path: &SandboxPath) -> io::Result<()> {
        let (parents, last) = path.split();
        let parent = self.sandbox.directory(parents)?;
        rustix::fs::renameat(&self.directory, name, &parent, last)?;
        Ok(())
    }

    fn names(&self) -> Vec<std::ffi::CString> {
        let Ok(entries) = Dir::read_from(&self.directory) else { return Vec::new() };
        let names = entries.flatten().map(|entry| entry.file_name().to_owned());
        names.filter(|name| !matches!(name.to_bytes(), b"." | b"..")).collect()
    }
}

impl Drop for TemporaryDirectory<'_> {
    fn drop(&mut self) {
        for name in self.names() {
            // A remaining file makes the removal of the directory fail.
            let _ = rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty());
        }
        if let Err(error) = rustix::fs::unlinkat(self.sandbox.root(), &self.name, AtFlags::REMOVEDIR) {
            tracing::warn!(%error, "cannot remove the directory '{}' of a sandbox", self.name);
        }
    }
}
