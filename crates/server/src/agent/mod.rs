//! Hosts an agent core: executors, containers, sandboxes.

mod machine;

pub use machine::{Machine, detect};
