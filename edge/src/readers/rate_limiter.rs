//! A rate limit that delays, as libprocess' does: `/metrics/snapshot` is cheap to ask for and dear to answer.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

pub struct RateLimiter {
    interval: Duration,
    next: Mutex<Instant>,
}

impl RateLimiter {
    pub fn per_second(permits: u32) -> Self {
        RateLimiter { interval: Duration::from_secs(1) / permits, next: Mutex::new(Instant::now()) }
    }

    /// Waits for its turn; turns are given in the order of asking.
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
    async fn turns_are_spaced() {
        let limit = RateLimiter::per_second(2);
        let start = Instant::now();
        for expected in [0, 500, 1000] {
            limit.acquire().await;
            assert_eq!(start.elapsed().as_millis(), expected);
        }
    }
}
