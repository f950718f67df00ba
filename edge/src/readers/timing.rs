//! The duration of a recurring activity in the form of libprocess' timers: the last duration, and statistics of the
//! recent ones.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use views::metrics::Counters;

/// The maximum number of durations that are kept. It is that of a time series of libprocess.
const CAPACITY: usize = 1000;

/// The quantiles by the suffixes of their names.
const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999)];

/// The durations of one activity within a time window.
#[derive(Debug)]
pub struct Timing {
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<f64>,
    /// The durations in milliseconds, oldest first.
    recent: VecDeque<(Instant, f64)>,
}

impl Timing {
    /// Creates a timing that drops durations older than `window`.
    pub fn over(window: Duration) -> Self {
        Timing { window, state: Mutex::default() }
    }

    /// Records that the activity ended at `now` and took `took`.
    pub fn record(&self, now: Instant, took: Duration) {
        let milliseconds = took.as_secs_f64() * 1000.0;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Some(milliseconds);
        state.recent.push_back((now, milliseconds));
        if state.recent.len() > CAPACITY {
            state.recent.pop_front();
        }
    }

    /// Adds `<name>_ms` and its statistics to `counters`. As in Mesos the value is absent before the first duration,
    /// and the statistics before the second.
    pub fn report(&self, now: Instant, name: &str, counters: &mut Counters) {
        let (last, mut recent) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let old = |at: &Instant| now.saturating_duration_since(*at) > self.window;
            while state.recent.front().is_some_and(|(at, _)| old(at)) {
                state.recent.pop_front();
            }
            let Some(last) = state.last else { return };
            (last, state.recent.iter().map(|(_, milliseconds)| *milliseconds).collect::<Vec<_>>())
        };
        counters.set(format!("{name}_ms"), last);
        recent.sort_by(f64::total_cmp);
        if let [shortest, .., longest] = recent.as_slice() {
            counters.set(format!("{name}_ms/count"), recent.len() as f64);
            counters.set(format!("{name}_ms/min"), *shortest);
            counters.set(format!("{name}_ms/max"), *longest);
            for (quantile, fraction) in QUANTILES {
                counters.set(format!("{name}_ms/{quantile}"), at_fraction(&recent, fraction));
            }
        }
    }
}

/// Returns the quantile; between two values it is their weighted mean.
fn at_fraction(sorted: &[f64], fraction: f64) -> f64 {
    let position = fraction * sorted.len().saturating_sub(1) as f64;
    let below = position.floor();
    let at = |index: f64| sorted.get(index as usize).copied();
    match (at(below), at(below + 1.0)) {
        (Some(low), Some(high)) => low + (position - below) * (high - low),
        (Some(only), None) => only,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(timing: &Timing, now: Instant) -> Vec<(String, f64)> {
        let mut counters = Counters::default();
        timing.report(now, "t", &mut counters);
        counters.iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn reports_the_last_duration_and_quantiles() {
        let timing = Timing::over(Duration::from_secs(60));
        let start = Instant::now();
        assert_eq!(reported(&timing, start), []);
        timing.record(start, Duration::from_millis(30));
        assert_eq!(reported(&timing, start), [("t_ms".to_owned(), 30.0)]);
        timing.record(start + Duration::from_secs(1), Duration::from_millis(10));
        timing.record(start + Duration::from_secs(2), Duration::from_millis(20));
        let known = reported(&timing, start + Duration::from_secs(3));
        let value = |name: &str| known.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
        for (name, expected) in
            [("t_ms", 20.0), ("t_ms/count", 3.0), ("t_ms/min", 10.0), ("t_ms/max", 30.0), ("t_ms/p50", 20.0)]
        {
            assert_eq!(value(name), Some(expected), "{name}");
        }
        assert!(value("t_ms/p90").is_some_and(|p90| (p90 - 28.0).abs() < 1e-9));
        assert_eq!(known.len(), 10);
    }

    #[test]
    fn durations_outside_the_window_or_capacity_are_dropped() {
        let timing = Timing::over(Duration::from_secs(60));
        let start = Instant::now();
        for _ in 0..2 * CAPACITY {
            timing.record(start, Duration::from_millis(1));
        }
        let count = ("t_ms/count".to_owned(), CAPACITY as f64);
        assert!(reported(&timing, start).contains(&count));
        assert_eq!(reported(&timing, start + Duration::from_secs(61)), [("t_ms".to_owned(), 1.0)]);
    }
}
