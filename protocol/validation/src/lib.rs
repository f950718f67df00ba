//! Whether a message makes sense: Mesos' checks, in Mesos' order, with Mesos' reasons. Pure.
//!
//! Missing `required` fields never reach this crate: `wire::decode` refuses them
//! first, as Mesos' "Not initialized" does.

#![warn(missing_docs)]

pub mod agent_call;
pub mod agent_message;
pub mod check;
pub mod command;
pub mod container;
pub mod container_id;
pub mod executor;
pub mod executor_call;
pub mod framework;
pub mod ids;
mod invalid;
pub mod master_call;
pub mod offer;
pub mod operation;
pub mod quota;
pub mod resource;
pub mod scheduler_call;
pub mod supported;
mod supported_fields;
pub mod task;
mod text;

pub use invalid::{Invalid, Within};
