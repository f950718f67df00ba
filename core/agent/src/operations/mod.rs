//! The operations of masters on the agent's resources.
//!
//! | module | owns |
//! | --- | --- |
//! | `agent_resources` | the agent's resources as operations made them |
//! | `operation_status_updates` | the operations whose final status is not acknowledged |
//! | `deferred_messages` | messages that wait while volumes change |
//! | `recovered_resources` | what recovery finds of operations |
//! | `apply` | the application of an operation: to resources, to volumes on the disk, and its status |
//! | `status` | operation status updates: forwarding, repetition, acknowledgement, reconciliation |
//! | `volumes` | where persistent volumes lie, and which of them are made and deleted |

pub(crate) mod agent_resources;
pub(crate) mod apply;
pub(crate) mod deferred_messages;
pub(crate) mod operation_status_updates;
mod recovered_resources;
pub(crate) mod status;
mod volumes;

pub use recovered_resources::RecoveredResources;
pub use volumes::{ContainerVolume, VolumeChange};
pub(crate) use volumes::{check_container_paths, container_volumes};
