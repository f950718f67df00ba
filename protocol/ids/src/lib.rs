//! Typed identifiers of the protocol: frameworks, agents, tasks, event streams, libprocess addresses.

mod ids;
mod upid;

pub use ids::{AgentId, ContainerId, ExecutorId, FrameworkId, OfferId, Principal, ReplyId, Role, StreamId, TaskId};
pub use upid::{InvalidUpid, Upid};
