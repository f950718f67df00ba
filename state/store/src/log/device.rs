//! The operations of a log on its file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The target of a log's writes: a file, or a fake with faults.
pub trait Device: Send {
    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// Returns an error if the write is incomplete. Any part of the bytes may have been written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything that was written durable.
    ///
    /// # Errors
    /// Returns an error after which it is unknown which bytes are durable.
    fn flush(&mut self) -> io::Result<()>;
    /// Truncates the device to a length in bytes.
    ///
    /// # Errors
    /// Returns an error after which the length may be the old one.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl Device for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        // The call also flushes the length of the file, which is needed to read it (fdatasync(2)).
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}
