//! A bound on what a tar reader keeps in memory by itself.
//!
//! The reader reads headers with long names and attributes as a whole; members are read at our request, from the same stream. So
//! whoever reads a member refills the allowance, and between two members no more than the allowance is read.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// What may lie between two members, in bytes: names, links and extended attributes.
pub(super) const MAX_HEADERS: u64 = 1 << 20;

/// The allowance, shared by the reader and whoever refills it.
#[derive(Debug, Clone)]
pub(super) struct HeaderAllowance(Rc<Cell<u64>>);

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
pub(super) struct AllowedReader<R> {
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
