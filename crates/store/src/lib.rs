//! Durable state: an embedded file, ZooKeeper, or nothing; fenced by leader epoch.
//!
//! A store is a map from keys to bytes. Whoever leads takes it over, which begins an epoch and returns what is there;
//! from then on nobody who led before can write. A commit is atomic and durable when it returns.

mod embedded;
mod error;
pub mod log;
mod memory;
mod zookeeper;

pub use embedded::Embedded;
pub use error::Error;
pub use memory::Memory;
pub use vocabulary::Write;
pub use zookeeper::ZooKeeper;

/// Every record, by key.
pub type Entries = std::collections::BTreeMap<String, Vec<u8>>;

/// One contender's access to durable state. Blocks; meant for a thread of its own.
pub trait Store: Send {
    /// Begins an epoch: every other handle's commits fail with [`Error::Fenced`] from now on.
    fn take_over(&mut self) -> Result<Entries, Error>;

    /// Writes all or nothing. After an error that [`is_transient`](Error::is_transient) the same commit may be tried
    /// again: writing it twice is the same as writing it once.
    fn commit(&mut self, writes: &[Write]) -> Result<(), Error>;
}
