//! Metrics: those that a view derives, merged with those that only the core and the shell can count.

mod agent;
mod counters;
mod master;
mod metric_set;
mod prometheus;
mod recount;

pub use agent::agent;
pub use counters::Counters;
pub use master::{framework_prefix, master};
pub use prometheus::text;
pub use recount::recount;

use metric_set::{MetricSet, bare, lower};
