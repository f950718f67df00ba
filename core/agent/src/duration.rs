//! Durations in messages.

use std::time::Duration;

use messages::v1;

/// Zero for a negative one: validation refuses those, so it only bounds what an unchecked peer can do.
pub(crate) fn from_proto(duration: &v1::DurationInfo) -> Duration {
    Duration::from_nanos(u64::try_from(duration.nanoseconds).unwrap_or(0))
}

pub(crate) fn to_proto(duration: Duration) -> v1::DurationInfo {
    v1::DurationInfo { nanoseconds: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX) }
}
