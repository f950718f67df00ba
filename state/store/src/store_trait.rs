//! The interface of stores.

use model::RecordWrite;

use crate::Error;

/// All records by key.
pub type Entries = std::collections::BTreeMap<String, Vec<u8>>;

/// The access of one contender to durable state. Its methods block, so it needs a thread of its own.
pub trait Store: Send {
    /// Begins a new epoch and returns all records. Commits of every other handle fail with [`Error::Fenced`] from now
    /// on.
    ///
    /// # Errors
    /// Returns [`Error`] if the store is unavailable, damaged, or in use.
    fn take_over(&mut self) -> Result<Entries, Error>;

    /// Writes all changes or none. They are durable when the call returns.
    ///
    /// # Errors
    /// Returns [`Error::Fenced`] after another handle has taken the store over. After an error that
    /// [`is_transient`](Error::is_transient) the caller may repeat the commit, which is idempotent.
    fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), Error>;

    /// Marks a store whose content its reader cannot interpret. A store that supports it keeps its content under
    /// another name and refuses further use; the returned error says how to continue. Other stores return `None`.
    fn mark_damaged(&mut self, _cause: &dyn std::error::Error) -> Option<Error> {
        None
    }
}
