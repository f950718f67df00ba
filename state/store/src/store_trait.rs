//! The interface of stores.

use model::RecordWrite;

use crate::Error;

/// Every record, by key.
pub type Entries = std::collections::BTreeMap<String, Vec<u8>>;

/// The access of one contender to durable state. Its methods block, so it is used on a thread of its own.
pub trait Store: Send {
    /// Begins an epoch and returns all records: commits of every other handle fail with [`Error::Fenced`] from now on.
    ///
    /// # Errors
    ///
    /// The store is unavailable, damaged, or in use.
    fn take_over(&mut self) -> Result<Entries, Error>;

    /// Writes all changes or none. They are durable when it returns.
    ///
    /// # Errors
    ///
    /// [`Error::Fenced`] after another handle took over. After an error that [`is_transient`](Error::is_transient)
    /// the same commit may be tried again: writing it twice is the same as writing it once.
    fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), Error>;

    /// What was read makes no sense to its reader. A store that can keeps it damaged, and refuses from now on; the
    /// error says how to go on.
    fn mark_damaged(&mut self, _cause: &dyn std::error::Error) -> Option<Error> {
        None
    }
}
