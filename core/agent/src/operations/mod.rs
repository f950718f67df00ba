//! What masters do to the agent's resources, and what the agent does with those that lie idle.
//!
//! | module | owns |
//! | --- | --- |
//! | `agent_resources` | the agent's resources as operations have made them, and the operations not yet acknowledged |
//! | `apply` | from a master's operation to resources, volumes on the disk, and its status |
//! | `status` | operation status updates: forwarding, repetition, acknowledgement, reconciliation |
//! | `volumes` | where persistent volumes lie, and which of them come and go |
//! | `drain` | emptying the agent |
//! | `estimator` | how much of what is allocated but idle can be offered once more |
//! | `qos` | taking it back when the machine suffers |

mod agent_resources;
mod apply;
mod drain;
mod estimator;
mod qos;
mod status;
mod usage;
mod volumes;

pub use agent_resources::RecoveredResources;
pub(crate) use agent_resources::{AgentResources, Deferred};
pub(crate) use estimator::Oversubscription;
pub use estimator::ResourceEstimator;
pub use qos::QosController;
pub use usage::{ContainerUsage, LoadAverage, MachineUsage};
pub use volumes::{ContainerVolume, VolumeChange};
pub(crate) use volumes::{check_container_paths, container_volumes};
