//! The duration and the latency of the master's allocation runs. The core reads no clock, so its host measures.

use std::time::{Duration, Instant};

use views::metrics::Counters;

use edge::readers::timing::Timing;

/// The time window of the statistics, that of Mesos.
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// The timings of allocation runs.
#[derive(Debug)]
pub struct AllocatorTimings {
    /// The duration of a run, including the offers that it makes.
    pub allocation_run: Timing,
    /// The time from the moment a run is due to its start.
    pub allocation_latency: Timing,
}

impl Default for AllocatorTimings {
    fn default() -> Self {
        AllocatorTimings { allocation_run: Timing::over(WINDOW), allocation_latency: Timing::over(WINDOW) }
    }
}

impl AllocatorTimings {
    /// Adds the timings to `counters` under Mesos' names.
    pub fn report(&self, counters: &mut Counters) {
        let now = Instant::now();
        self.allocation_run.report(now, "allocator/mesos/allocation_run", counters);
        self.allocation_latency.report(now, "allocator/mesos/allocation_run_latency", counters);
    }
}
