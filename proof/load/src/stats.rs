//! Medians and percentiles of measured durations.

use std::time::Duration;

/// The durations of one kind of event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample(Vec<Duration>);

impl Sample {
    pub fn add(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// Returns the smallest value that `percent` of all values do not exceed (nearest rank).
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }

    pub fn median(&self) -> Option<Duration> {
        self.percentile(50)
    }

    pub fn iter(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().copied()
    }

    pub fn max(&self) -> Option<Duration> {
        self.0.iter().max().copied()
    }
}

impl Extend<Duration> for Sample {
    fn extend<I: IntoIterator<Item = Duration>>(&mut self, durations: I) {
        self.0.extend(durations);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let check = |values: &[u64], percent, expect: Option<u64>| {
            let mut sample = Sample::default();
            sample.extend(values.iter().copied().map(Duration::from_millis));
            assert_eq!(sample.percentile(percent), expect.map(Duration::from_millis), "{values:?} {percent}");
        };
        check(&[], 50, None);
        check(&[7], 50, Some(7));
        check(&[7], 99, Some(7));
        check(&[3, 1, 2], 50, Some(2));
        check(&[4, 3, 1, 2], 50, Some(2));
        check(&(1..=100).collect::<Vec<_>>(), 99, Some(99));
        check(&(1..=1000).collect::<Vec<_>>(), 99, Some(990));
    }
}
