//! Durable state: an embedded file, ZooKeeper, or nothing; fenced by leader epoch.
//!
//! A store is a map from keys to bytes. Whoever leads takes it over, which begins an epoch and returns what is there;
//! from then on nobody who led before can write. A commit is atomic and durable when it returns.

pub mod aside;
mod contract;
mod embedded;
mod error;
pub mod log;
mod memory;
mod zookeeper;

pub use contract::{Entries, Store};
pub use embedded::Embedded;
pub use error::Error;
pub use memory::Memory;
pub use vocabulary::Write;
pub use zookeeper::ZooKeeper;
