//! The time until which a leader may act without an answer from ZooKeeper.
//!
//! ZooKeeper ends a session that it has not heard from for the session's timeout, and then another master leads. It
//! cannot tell the old leader, which may be disconnected or suspended (a pause of the virtual machine, a SIGSTOP). The
//! leader therefore checks its own clock before each step: a lease runs from the moment at which it *sent* a request
//! that ZooKeeper has answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The lease of one term. Clones are the same lease.
#[derive(Debug, Clone)]
pub struct Lease {
    begun: Instant,
    /// The end in nanoseconds after `begun`; zero if the lease was ended early.
    until: Arc<AtomicU64>,
}

/// The fraction of the session's timeout that a lease lasts. The rest covers clocks of different speeds, the step in
/// progress, and ZooKeeper's servers, which report sessions to their leader only twice per tick.
const SAFE_FRACTION: f64 = 0.875;

impl Lease {
    /// Makes a lease from a request sent at `sent`, in a session with this `timeout`.
    pub fn new(sent: Instant, timeout: Duration) -> Self {
        let until = Arc::new(AtomicU64::new(nanos(timeout.mul_f64(SAFE_FRACTION))));
        Lease { begun: sent, until }
    }

    /// Returns a lease that never ends by itself, for a standalone master.
    pub fn unlimited() -> Self {
        Lease { begun: Instant::now(), until: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// Extends the lease, and returns whether it was still valid. A lease that has ended is not extended, since its
    /// holder has stopped.
    pub fn extend(&self, sent: Instant, timeout: Duration) -> bool {
        let until = nanos(sent.saturating_duration_since(self.begun) + timeout.mul_f64(SAFE_FRACTION));
        let valid = |held| self.holds(held).then_some(until);
        self.until.fetch_update(Ordering::AcqRel, Ordering::Acquire, valid).is_ok()
    }

    /// Ends the lease at once.
    pub fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Returns whether the lease is valid now.
    pub fn is_valid(&self) -> bool {
        self.holds(self.until.load(Ordering::Acquire))
    }

    fn holds(&self, until: u64) -> bool {
        until == u64::MAX || self.begun.elapsed() < Duration::from_nanos(until)
    }

    /// Returns the time at which the lease ends unless it is extended.
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
        assert!(!other.extend(Instant::now(), timeout), "a lease that has ended was extended");
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
