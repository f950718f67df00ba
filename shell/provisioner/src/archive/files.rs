//! The files of an archive, in a directory or in a tar file.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::tar_index::TarIndex;
use crate::Error;
use crate::manifest::MAX_DOCUMENT;

/// The files of an archive.
#[derive(Debug)]
pub(crate) enum ArchiveFiles {
    /// A directory. Links are followed only within it.
    Directory(OwnedFd),
    /// A tar file that is not compressed.
    Tar(TarIndex),
}

/// A file of an archive, from its beginning.
#[derive(Debug)]
pub(crate) struct ArchiveFile {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl ArchiveFile {
    pub fn new(file: Arc<File>, at: u64, size: u64) -> Self {
        ArchiveFile { file, at, left: size }
    }

    /// Returns the number of bytes that are still to be read.
    pub fn size(&self) -> u64 {
        self.left
    }
}

impl Read for ArchiveFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.at)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is shorter than it says"));
        }
        self.at += read as u64;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

impl ArchiveFiles {
    /// Opens a directory.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn of_directory(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(ArchiveFiles::Directory(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a file by its path in the archive; `None` if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is no regular file.
    pub fn open(&self, name: &str) -> io::Result<Option<ArchiveFile>> {
        let directory = match self {
            ArchiveFiles::Tar(index) => return Ok(index.open(name)),
            ArchiveFiles::Directory(directory) => directory,
        };
        // A pipe in the place of a file must not block.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = match rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(Some(ArchiveFile::new(Arc::new(file), 0, metadata.len())))
    }

    /// Opens a file that the archive must have.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read.
    pub fn required(&self, name: &str) -> Result<ArchiveFile, Error> {
        let found = self.open(name).map_err(|error| Error::manifest(shown(name), error))?;
        found.ok_or_else(|| Error::manifest("the archive", format!("it has no file '{}'", shown(name))))
    }

    /// Reads a document; `None` if there is none.
    ///
    /// # Errors
    /// The document cannot be read, or is larger than a document may be.
    pub fn document(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = self.open(name).map_err(|error| Error::manifest(shown(name), error))?;
        let Some(mut file) = found else { return Ok(None) };
        if file.size() > MAX_DOCUMENT {
            return Err(Error::manifest(shown(name), format!("it has more than {MAX_DOCUMENT} bytes")));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| Error::manifest(shown(name), error))?;
        Ok(Some(bytes))
    }

    /// Reads a document that the archive must have.
    ///
    /// # Errors
    /// There is no such document, it cannot be read, or it is too large.
    pub fn required_document(&self, name: &str) -> Result<Vec<u8>, Error> {
        let found = self.document(name)?;
        found.ok_or_else(|| Error::manifest("the archive", format!("it has no file '{}'", shown(name))))
    }
}

/// Shortens a name that an archive gives, for an error.
fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}
