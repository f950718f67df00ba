//! The metrics that a core writes and readers read at any time: values, their definitions by Mesos name, and the gauges of
//! resources. The tables are in `master::metrics` and `agent::metrics`.

mod definition;
mod resource_gauges;
mod value;

pub use definition::{MetricDefinition, MetricKind};
pub use resource_gauges::ResourceGauges;
pub use value::MetricValue;

pub(crate) use definition::metrics;
pub(crate) use resource_gauges::gauges;
