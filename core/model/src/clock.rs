//! The clock readings of a step. Cores own no clock: each step is handed both readings of the shell's (or the
//! simulator's) clock. Timers and timeouts use the monotonic one only, so that a jump of the wall clock moves nothing
//! but printed timestamps.

use std::ops::{Add, Sub};
use std::time::Duration;

/// The time since an arbitrary start, which never goes back. It compares and orders timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(Duration);

/// Nanoseconds since the Unix epoch, for what is shown to people and peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// The two clock readings of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The reading that timers and timeouts use.
    pub monotonic: Monotonic,
    /// The reading that is shown to people and peers.
    pub wall: Timestamp,
}

impl Monotonic {
    /// Returns the reading at `since_start` after the arbitrary start.
    pub const fn from_start(since_start: Duration) -> Self {
        Monotonic(since_start)
    }

    /// Returns the time since the arbitrary start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Returns the time since `earlier`; zero if `earlier` is later.
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
    /// Returns the time `nanos` nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Timestamp(nanos)
    }

    /// Returns the nanoseconds since the Unix epoch.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Returns the seconds since the Unix epoch, as Mesos prints times.
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}
