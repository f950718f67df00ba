//! The bounds that several rows have in common.

use std::time::Duration;

use crate::bounds::Bounds;

const MILLISECOND: Duration = Duration::from_millis(1);

/// The bounds of a timeout. A timeout of zero would always have expired.
pub(super) const POSITIVE: Bounds = Bounds::lasts(MILLISECOND);

/// The bounds of an interval between checks. Shorter intervals would keep a processor busy.
pub(super) const INTERVAL: Bounds = Bounds::lasts(Duration::from_millis(100));

/// The bounds of a share.
pub(super) const SHARE: Bounds = Bounds::Float { min: 0.0, max: 1.0 };

/// The bounds of a port that peers connect to.
pub(super) const PEER_PORT: Bounds = Bounds::between(1, u16::MAX as u64);

/// The bounds of a session timeout. ZooKeeper's protocol has milliseconds in 31 bits, which is a little more than three
/// weeks.
pub(super) const ZK_SESSION: Bounds = Bounds::lasts_between(MILLISECOND, Duration::from_secs(21 * 24 * 60 * 60));

pub(super) const fn secs(min: u64) -> Bounds {
    Bounds::lasts(Duration::from_secs(min))
}

pub(super) const fn secs_between(min: u64, max: u64) -> Bounds {
    Bounds::lasts_between(Duration::from_secs(min), Duration::from_secs(max))
}

pub(super) const fn up_to_secs(max: u64) -> Bounds {
    Bounds::lasts_between(MILLISECOND, Duration::from_secs(max))
}
