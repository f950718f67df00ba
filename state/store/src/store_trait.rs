//! What a store promises.

use model::RecordWrite;

use crate::Error;

/// Every record, by key.
pub type Entries = std::collections::BTreeMap<String, Vec<u8>>;

/// One contender's access to durable state. Blocks; meant for a thread of its own.
pub trait Store: Send {
    /// Begins an epoch: every other handle's commits fail with [`Error::Fenced`] from now on.
    fn take_over(&mut self) -> Result<Entries, Error>;

    /// Writes all or nothing. After an error that [`is_transient`](Error::is_transient) the same commit may be tried
    /// again: writing it twice is the same as writing it once.
    fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), Error>;

    /// What was read makes no sense to its reader. A store that can keeps it damaged, and refuses from now on; the error says
    /// how to go on.
    fn mark_damaged(&mut self, _cause: &dyn std::error::Error) -> Option<Error> {
        None
    }
}
