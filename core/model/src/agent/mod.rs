//! What the readers of an agent are told: the change stream and the snapshots in it.

mod change;

pub use change::{Change, Draining, ExecutorSnapshot, ExecutorState, FrameworkSnapshot, RecoveredCompletedExecutor};
