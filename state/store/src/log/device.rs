//! What a log does to its file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where a log writes: a file, or a fake with faults.
pub trait Device: Send {
    /// Writes all bytes at an offset.
    ///
    /// # Errors
    ///
    /// The bytes are not there; any part of them may be.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// After it everything written is durable.
    fn flush(&mut self) -> io::Result<()>;
    /// Cuts the device to a length in bytes.
    ///
    /// # Errors
    ///
    /// The length may be the old one.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl Device for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        // Includes the length of the file, which is needed to read it (fdatasync(2)).
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}
