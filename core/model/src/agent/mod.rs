//! The change stream of an agent and the snapshots in it.

mod change;

pub use change::{Change, Draining, ExecutorSnapshot, ExecutorState, FrameworkSnapshot, RecoveredCompletedExecutor};
