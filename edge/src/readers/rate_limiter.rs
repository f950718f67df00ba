//! A rate limit that delays requests, as that of libprocess: `/metrics/snapshot` is cheap to request and expensive to
//! answer.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Delays callers so that they proceed at a constant rate.
pub struct RateLimiter {
    interval: Duration,
    next: Mutex<Instant>,
}

impl RateLimiter {
    /// Makes a limiter that lets `permits` callers proceed per second.
    pub fn per_second(permits: u32) -> Self {
        RateLimiter { interval: Duration::from_secs(1) / permits, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a permit. Callers get permits in the order of their calls.
    pub async fn acquire(&self) {
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn permits_are_spaced_by_the_interval() {
        let limit = RateLimiter::per_second(2);
        let start = Instant::now();
        for expected in [0, 500, 1000] {
            limit.acquire().await;
            assert_eq!(start.elapsed().as_millis(), expected);
        }
    }
}
