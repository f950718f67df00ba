//! Typed identifiers of the protocol: frameworks, agents, tasks, event streams, libprocess addresses.

mod container_id;
mod ids;
mod upid;

pub use container_id::{ContainerId, InvalidContainerId};
pub use ids::{AgentId, ExecutorId, FrameworkId, OfferId, Principal, ReplyId, Role, StreamId, TaskId};
pub use upid::{InvalidUpid, Upid};
