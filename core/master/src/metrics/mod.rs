//! The counters and gauges of a master.

mod counters;

pub use counters::Metrics;
