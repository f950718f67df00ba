//! Until when a leader may act without news from ZooKeeper.
//!
//! ZooKeeper ends a session when it has heard nothing from it for the session's timeout, and then somebody else leads.
//! It cannot tell the old leader, which may be cut off or have been stopped for a while (a pause of the virtual
//! machine, a SIGSTOP). So the leader asks its own clock before each step: a lease runs from the moment it *sent* a
//! request that ZooKeeper has answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Of one leadership; clones are the same lease.
#[derive(Debug, Clone)]
pub struct Lease {
    begun: Instant,
    /// Nanoseconds after `begun`; zero when it was ended early.
    until: Arc<AtomicU64>,
}

/// Of the session's timeout. The rest is for clocks that run at different speeds, for the step under way, and for
/// ZooKeeper's own servers, which tell their leader about their sessions twice a tick only.
const SAFE_FRACTION: f64 = 0.875;

impl Lease {
    /// From a request sent at `sent`, in a session that lasts `timeout`.
    pub fn new(sent: Instant, timeout: Duration) -> Self {
        let until = Arc::new(AtomicU64::new(nanos(timeout.mul_f64(SAFE_FRACTION))));
        Lease { begun: sent, until }
    }

    /// Never ends by itself: for a master that is alone.
    pub fn unlimited() -> Self {
        Lease { begun: Instant::now(), until: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// Whether it was still valid. One that has ended stays so, since whoever acted under it has stopped.
    pub fn extend(&self, sent: Instant, timeout: Duration) -> bool {
        let until = nanos(sent.saturating_duration_since(self.begun) + timeout.mul_f64(SAFE_FRACTION));
        let valid = |held| self.holds(held).then_some(until);
        self.until.fetch_update(Ordering::AcqRel, Ordering::Acquire, valid).is_ok()
    }

    /// Nobody may act under it any more.
    pub fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Returns whether the lease lasts now.
    pub fn is_valid(&self) -> bool {
        self.holds(self.until.load(Ordering::Acquire))
    }

    fn holds(&self, until: u64) -> bool {
        until == u64::MAX || self.begun.elapsed() < Duration::from_nanos(until)
    }

    /// When it ends, if nothing extends it.
    pub(crate) fn deadline(&self) -> Instant {
        self.begun + Duration::from_nanos(self.until.load(Ordering::Acquire))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_runs_from_what_was_sent() {
        let timeout = Duration::from_secs(8);
        let lease = Lease::new(Instant::now(), timeout);
        let other = lease.clone();
        tokio::time::advance(Duration::from_secs(6)).await;
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(900)).await;
        assert!(lease.is_valid());
        assert!(lease.extend(sent, timeout));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(other.is_valid());
        tokio::time::advance(Duration::from_millis(200)).await;
        assert!(!other.is_valid());
        assert!(!other.extend(Instant::now(), timeout), "it came back to life");
        assert!(!lease.is_valid());
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_lease_is_over_for_every_clone() {
        let lease = Lease::unlimited();
        let other = lease.clone();
        tokio::time::advance(Duration::from_secs(1 << 30)).await;
        assert!(other.is_valid());
        lease.end();
        assert!(!other.is_valid());
    }
}
