//! Metrics: gauges and counters derived from a view, joined with what the shell counts.

mod counters;
mod prometheus;

pub use counters::Counters;
pub use prometheus::text;

use crate::{agent, master};

/// Every metric of a master by its Mesos name, ascending.
pub fn master(_view: &master::Snapshot, counters: &Counters) -> Vec<(String, f64)> {
    counters.iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Every metric of an agent by its Mesos name, ascending.
pub fn agent(_view: &agent::Snapshot, counters: &Counters) -> Vec<(String, f64)> {
    counters.iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
