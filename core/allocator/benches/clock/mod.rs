//! The time that this thread spent computing, without the time of other processes on the machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub struct Clock(Duration);

impl Clock {
    pub fn start() -> Self {
        Clock(now())
    }

    pub fn elapsed(&self) -> Duration {
        now().saturating_sub(self.0)
    }
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
