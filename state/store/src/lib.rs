//! Durable state with a fence: an embedded file, ZooKeeper, or memory.
//!
//! A store is a map from keys to bytes. A leader takes it over, which begins a new epoch and returns all records; no
//! earlier leader can write from then on. A commit is atomic, and durable when it returns.

pub mod damaged;
mod embedded;
mod error;
pub mod log;
mod memory;
mod store_trait;
mod zookeeper;

pub use embedded::EmbeddedStore;
pub use error::Error;
pub use memory::MemoryStore;
pub use model::RecordWrite;
pub use store_trait::{Entries, Store};
pub use zookeeper::ZooKeeperStore;
