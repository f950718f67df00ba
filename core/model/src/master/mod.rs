//! What the readers of a master are told: the change stream and the snapshots in it.

mod change;
mod framework_metrics;
mod operation_uuid;

pub use change::{
    AgentRemoval, AgentSnapshot, Change, ExecutorSnapshot, FrameworkSnapshot, MaintenanceSnapshot, OfferSnapshot,
    TaskRemoval,
};
pub use framework_metrics::FrameworkMetrics;
pub use operation_uuid::OperationUuid;
