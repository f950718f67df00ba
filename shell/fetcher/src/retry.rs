//! Decides whether and when a download that broke off is tried again.

use std::time::Duration;

/// The maximum number of attempts of one download, even if each of them makes progress.
const MAX_ATTEMPTS: u32 = 50;

/// The maximum delay before an attempt.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// The attempts of one download so far.
#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    /// The number of attempts in a row without progress that are made.
    allowed: u32,
    first_delay: Duration,
    in_vain: u32,
    failed: u32,
}

impl Attempts {
    /// Begins a download that makes `allowed` attempts in a row without progress. The delay before the second one is
    /// `first_delay`, and doubles with each.
    pub fn new(allowed: u32, first_delay: Duration) -> Self {
        Attempts { allowed, first_delay, in_vain: 0, failed: 0 }
    }

    /// Counts a failed attempt, and returns the delay before the next one; `None` if there is none. `wished` is the
    /// delay that the server asks for (`Retry-After`).
    pub fn failed(&mut self, progressed: bool, wished: Option<Duration>) -> Option<Duration> {
        self.failed += 1;
        self.in_vain = if progressed { 1 } else { self.in_vain + 1 };
        if self.in_vain >= self.allowed || self.failed >= MAX_ATTEMPTS {
            return None;
        }
        let doubled = self.first_delay.saturating_mul(1 << (self.in_vain - 1).min(10));
        Some(doubled.max(wished.unwrap_or_default()).min(MAX_DELAY))
    }
}

/// Returns whether a response of this status may be another one later (RFC 9110, section 15.5 and 15.6; RFC 6585).
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_and_progress_starts_again() {
        let second = Duration::from_secs(1);
        let check = |failures: &[(bool, Option<u64>)], expected: &[Option<u64>]| {
            let mut attempts = Attempts::new(4, second);
            let delays: Vec<_> = failures
                .iter()
                .map(|(progressed, wished)| attempts.failed(*progressed, wished.map(Duration::from_secs)))
                .map(|delay| delay.map(|delay| delay.as_secs()))
                .collect();
            assert_eq!(delays, expected, "{failures:?}");
        };
        check(&[(false, None); 4], &[Some(1), Some(2), Some(4), None]);
        check(&[(false, None), (true, None), (false, None)], &[Some(1), Some(1), Some(2)]);
        check(&[(false, Some(7)), (false, Some(3600))], &[Some(7), Some(30)]);
        let mut attempts = Attempts::new(4, second);
        let made = (0..1000).take_while(|_| attempts.failed(true, None).is_some()).count();
        assert_eq!(made as u32 + 1, MAX_ATTEMPTS);
        assert_eq!(Attempts::new(1, second).failed(false, None), None);
    }
}
