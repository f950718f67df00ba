//! Counts bytes, so that the cost of sources and archives is bounded.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Reason;

/// The number of bytes that a fetch may still cost.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    total: u64,
    left: Cell<u64>,
}

impl ByteBudget {
    /// Makes a budget of `total` bytes.
    pub fn new(total: u64) -> Self {
        ByteBudget { total, left: Cell::new(total) }
    }

    /// Subtracts `amount` bytes.
    ///
    /// # Errors
    /// Returns [`Reason::TooLarge`] if fewer are left.
    pub fn spend(&self, amount: u64) -> Result<(), Reason> {
        let left = self.left.get().checked_sub(amount).ok_or(Reason::TooLarge(self.total))?;
        self.left.set(left);
        Ok(())
    }
}

/// Copies all of `from` to `to`, and returns the number of bytes.
///
/// # Errors
/// Returns [`Reason`] if reading or writing fails, the budget is used up, or the fetch is cancelled.
pub(crate) fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    budget: &ByteBudget,
    cancelled: &AtomicBool,
    failed_to_read: impl Fn(io::Error) -> Reason,
    failed_to_write: impl Fn(io::Error) -> Reason,
) -> Result<u64, Reason> {
    let mut buffer = vec![0; 64 * 1024];
    let mut copied = 0;
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Err(Reason::Cancelled);
        }
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed_to_read(error)),
        };
        budget.spend(read as u64)?;
        to.write_all(buffer.get(..read).unwrap_or_default()).map_err(&failed_to_write)?;
        copied += read as u64;
    }
}
