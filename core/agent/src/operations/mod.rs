//! What masters do to the agent's resources.
//!
//! | module | owns |
//! | --- | --- |
//! | `agent_resources` | the agent's resources as operations have made them, and the operations not yet acknowledged |
//! | `apply` | from a master's operation to resources, volumes on the disk, and its status |
//! | `status` | operation status updates: forwarding, repetition, acknowledgement, reconciliation |
//! | `volumes` | where persistent volumes lie, and which of them come and go |

mod agent_resources;
mod apply;
mod status;
mod volumes;

pub use agent_resources::RecoveredResources;
pub(crate) use agent_resources::{AgentResources, Deferred};
pub(crate) use volumes::container_volumes;
pub use volumes::{ContainerVolume, VolumeChange};
