//! Validation of messages: the checks of Mesos, in the order of Mesos, with the texts of Mesos. The crate does no I/O.
//!
//! Messages without their `required` fields do not reach this crate, since `wire::decode` refuses them.

pub mod agent_call;
pub mod agent_message;
pub mod bounds;
pub mod check;
pub mod command;
pub mod container;
pub mod container_id;
pub mod container_labels;
mod error;
pub mod executor;
pub mod executor_call;
pub mod framework;
pub mod health_checks;
pub mod ids;
pub mod master_call;
pub mod offer;
pub mod operation;
pub mod quota;
pub mod resource;
pub mod scheduler_call;
pub mod supported;
mod supported_by_docker;
mod supported_fields;
pub mod task;
mod text;

pub use error::{ValidationError, Within};
