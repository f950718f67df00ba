//! The messages: generated types of every Mesos message (one model for v0 and v1, with v1 names), their static
//! descriptors, and the closed set of libprocess messages.

mod libprocess;
mod proto;
pub mod schema;

pub use libprocess::{Message, UnknownMessage};
pub use proto::mesos::v1;
pub use proto::mesos::{self, internal};
pub use proto::tepui;
