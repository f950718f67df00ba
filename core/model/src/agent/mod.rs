//! The change stream of an agent and the snapshots in it.

mod change;
mod metrics;

pub use change::{Change, Draining, ExecutorSnapshot, ExecutorState, FrameworkSnapshot, RecoveredCompletedExecutor};
pub use metrics::Metrics;
