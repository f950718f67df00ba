//! Cores own no clock: each step is handed both readings of the shell's (or the
//! simulator's) clock. Timers and timeouts use the monotonic one only, so that a
//! jump of the wall clock moves nothing but printed timestamps.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Time since an arbitrary start, never going back. Compares and orders timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(Duration);

/// Nanoseconds since the Unix epoch, for what is shown to people and peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// The two clock readings of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    pub monotonic: Monotonic,
    pub wall: Timestamp,
}

impl Monotonic {
    pub const fn from_start(since_start: Duration) -> Self {
        Monotonic(since_start)
    }

    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Zero when `earlier` is in fact later.
    pub fn since(self, earlier: Monotonic) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Monotonic;

    fn add(self, duration: Duration) -> Monotonic {
        Monotonic(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for Monotonic {
    type Output = Monotonic;

    fn sub(self, duration: Duration) -> Monotonic {
        Monotonic(self.0.saturating_sub(duration))
    }
}

impl Timestamp {
    pub const fn from_nanos(nanos: u64) -> Self {
        Timestamp(nanos)
    }

    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the epoch, as Mesos prints times.
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}
