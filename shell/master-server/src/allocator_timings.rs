//! How long allocations of a master take and wait. The core reads no clock, so its host measures.

use std::time::{Duration, Instant};

use views::metrics::Counters;

use edge::readers::timing::Timing;

/// As long as Mesos remembers.
const WINDOW: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
pub struct AllocatorTimings {
    /// Of a run, with the offers it leads to.
    pub allocation_run: Timing,
    /// From the moment a run is due to its begin.
    pub allocation_latency: Timing,
}

impl Default for AllocatorTimings {
    fn default() -> Self {
        AllocatorTimings { allocation_run: Timing::over(WINDOW), allocation_latency: Timing::over(WINDOW) }
    }
}

impl AllocatorTimings {
    pub fn report(&self, counters: &mut Counters) {
        let now = Instant::now();
        self.allocation_run.report(now, "allocator/mesos/allocation_run", counters);
        self.allocation_latency.report(now, "allocator/mesos/allocation_run_latency", counters);
    }
}
