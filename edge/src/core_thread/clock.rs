//! The two clocks of a step: monotonic time since the start, and the time of day.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::{Monotonic, Now, Timestamp};

/// Reads the two clocks of a step.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Returns a clock whose monotonic time begins now.
    pub fn start() -> Self {
        Clock { start: Instant::now() }
    }

    /// Returns the time since the start and the time of day.
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic: Monotonic::from_start(self.start.elapsed()),
            wall: Timestamp::from_nanos(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    pub(crate) fn instant(&self, at: Monotonic) -> Instant {
        self.start + at.since_start()
    }
}
