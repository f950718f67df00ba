//! A bound on what a tar reader keeps in memory by itself.
//!
//! The tar reader reads headers with long names and attributes as a whole. It reads members only when the caller asks
//! for them, from the same stream. The caller therefore refills the allowance whenever it reads a member, and between
//! two members no more than the allowance is read.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// The maximum size of the headers between two members, in bytes: names, links and extended attributes.
pub(super) const MAX_HEADERS: u64 = 1 << 20;

/// The remaining allowance in bytes, shared by the reader and the code that refills it.
#[derive(Debug, Clone)]
pub(crate) struct HeaderAllowance(Rc<Cell<u64>>);

impl HeaderAllowance {
    pub fn new() -> Self {
        HeaderAllowance(Rc::new(Cell::new(MAX_HEADERS)))
    }

    pub fn refill(&self) {
        self.0.set(MAX_HEADERS);
    }

    pub fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// A reader that fails when the allowance is used up.
pub(crate) struct AllowedReader<R> {
    inner: R,
    allowance: HeaderAllowance,
}

impl<R> AllowedReader<R> {
    pub fn new(inner: R, allowance: HeaderAllowance) -> Self {
        AllowedReader { inner, allowance }
    }
}

impl<R: Read> Read for AllowedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = usize::try_from(self.allowance.0.get()).unwrap_or(usize::MAX).min(buffer.len());
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::other("headers are too long"));
        }
        let read = self.inner.read(buffer.get_mut(..allowed).unwrap_or_default())?;
        self.allowance.0.set(self.allowance.0.get().saturating_sub(read as u64));
        Ok(read)
    }
}

/// Bytes that are skipped cost nothing.
impl<R: Seek> Seek for AllowedReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
