//! What the machine and the containers use, and what follows from it.
//!
//! | module | owns |
//! | --- | --- |
//! | `machine_usage` | what the shell measures |
//! | `agent_health` | the report on it to the master |
//! | `estimator` | how much of what is allocated but idle can be offered once more |
//! | `qos` | taking it back when the machine suffers |

pub(crate) mod agent_health;
pub(crate) mod estimator;
mod machine_usage;
pub(crate) mod qos;

pub(crate) use estimator::Oversubscription;
pub use estimator::ResourceEstimator;
pub use machine_usage::{ContainerUsage, LoadAverage, MachineUsage};
pub use qos::QosController;
