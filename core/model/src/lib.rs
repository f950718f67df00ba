//! The types that cores and their readers share: ids, clocks, the change streams of masters and agents, and the
//! snapshots in them.

pub mod agent;
mod byte_size;
mod caller;
mod clock;
mod duration;
mod error_chain;
pub mod incident;
pub mod master;
mod metrics;
mod random;
mod record_write;
mod task_state;
mod visible;
mod wait_status;

pub use byte_size::{InvalidByteSize, format_bytes, parse_bytes};
pub use caller::Caller;
pub use clock::{Monotonic, Now, Timestamp};
pub use duration::{InvalidDuration, duration_from_proto, duration_to_proto, format_duration, parse_duration};
pub use error_chain::with_sources;
pub use ids::{
    AgentId, ContainerId, ExecutorId, FrameworkId, InvalidContainerId, InvalidUpid, OfferId, Principal, ReplyId, Role,
    StreamId, TaskId, Upid,
};
pub use metrics::{MetricDefinition, MetricKind, MetricValue, ResourceGauges};
pub use random::Random;
pub use record_write::RecordWrite;
pub use task_state::is_terminal;
pub use visible::visible;
pub use wait_status::{describe_wait_status, signal_name};
