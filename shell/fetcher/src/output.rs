//! The file that a download is written to, with its bound and its checksum.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::checksum::{Checksum, Verifier};
use crate::error::Reason;
use crate::fetch::write_error;
use crate::sandbox_path::SandboxPath;

/// The place of the file, which decides what its errors mean.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Sandbox(SandboxPath),
    /// A file of the cache. The request bypasses the cache if it cannot be written or is larger than its reservation.
    Cache,
}

/// A file that is being written.
pub(crate) struct Output<'p> {
    file: File,
    place: Place,
    limit: u64,
    written: u64,
    verifier: Option<Verifier>,
    cancelled: &'p AtomicBool,
}

/// The reason for which a copy ended early.
pub(crate) enum CopyFailure {
    /// The source broke off; the download may continue.
    Read(io::Error),
    Other(Reason),
}

impl<'p> Output<'p> {
    /// Begins with an empty file, which may have `limit` bytes.
    pub fn new(file: File, place: Place, limit: u64, checksum: Option<&Checksum>, cancelled: &'p AtomicBool) -> Self {
        Output { file, place, limit, written: 0, verifier: checksum.cloned().map(Verifier::new), cancelled }
    }

    /// Returns the number of bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Begins again with an empty file.
    ///
    /// # Errors
    /// Returns [`Reason`] if the file cannot be written.
    pub fn restart(&mut self) -> Result<(), Reason> {
        self.written = 0;
        if let Some(verifier) = &mut self.verifier {
            verifier.restart();
        }
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|source| self.failed(source))
    }

    /// Appends all that `from` has.
    ///
    /// # Errors
    /// Returns [`CopyFailure`] if reading or writing fails, the file gets too large, or the fetch is cancelled.
    pub fn copy(&mut self, from: &mut dyn Read) -> Result<(), CopyFailure> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(CopyFailure::Other(Reason::Cancelled));
            }
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    let bytes = buffer.get(..read).unwrap_or_default();
                    self.append(bytes).map_err(CopyFailure::Other)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CopyFailure::Read(error)),
            }
        }
    }

    /// Checks the whole file, and returns its size.
    ///
    /// # Errors
    /// Returns [`Reason::ChecksumMismatch`] if it is a different one.
    pub fn finish(self) -> Result<u64, Reason> {
        self.verifier.map_or(Ok(()), Verifier::verify)?;
        Ok(self.written)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        let written = self.written.saturating_add(bytes.len() as u64);
        if written > self.limit {
            return Err(match self.place {
                Place::Sandbox(_) => Reason::TooLarge(self.limit),
                Place::Cache => Reason::LargerThanReserved(self.limit),
            });
        }
        self.file.write_all(bytes).map_err(|source| self.failed(source))?;
        self.written = written;
        if let Some(verifier) = &mut self.verifier {
            verifier.update(bytes);
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Reason {
        match &self.place {
            Place::Sandbox(path) => write_error(path, source),
            Place::Cache => Reason::CacheFile(source),
        }
    }
}
