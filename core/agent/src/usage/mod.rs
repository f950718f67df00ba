//! The use of the machine and the containers, and the decisions that follow from it.
//!
//! | module | owns |
//! | --- | --- |
//! | `machine_usage` | the measurements of the shell |
//! | `agent_usage` | the usage report to the master |
//! | `estimator` | the estimate of oversubscribed resources |
//! | `qos` | the end of executors on revocable resources when the machine is overloaded |

pub(crate) mod agent_usage;
pub(crate) mod estimator;
mod machine_usage;
pub(crate) mod qos;

pub(crate) use estimator::Oversubscription;
pub use estimator::ResourceEstimator;
pub use machine_usage::{ContainerUsage, LoadAverage, MachineUsage};
pub use qos::QosController;
