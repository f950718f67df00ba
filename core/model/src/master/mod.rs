//! The change stream of a master and the snapshots in it.

mod agent_removal;
mod change;
mod framework_metrics;
mod metrics;
mod offer;
mod operation_uuid;
mod task_snapshot;

pub use agent_removal::{AgentRemoval, RemovalReason, UnreachableReason};
pub use change::{AgentSnapshot, Change, ExecutorSnapshot, FrameworkSnapshot, MaintenanceSnapshot, TaskRemoval};
pub use framework_metrics::FrameworkMetrics;
pub use metrics::{Metrics, OperationStateCounters};
pub use offer::{Offer, OfferFormat};
pub use operation_uuid::OperationUuid;
pub use task_snapshot::TaskSnapshot;
