//! The phi accrual failure detector (Hayashibara, Défago, Yared, Katayama, 2004). Phi measures how suspicious the
//! silence of an agent is, given the intervals of its answers so far: at a phi of 1 a live agent is silent for this
//! long once in 10 times, at a phi of 8 once in 100 million times.

use std::collections::VecDeque;
use std::time::Duration;

use model::Monotonic;

/// The largest phi, which keeps it finite for JSON.
const CERTAIN: f64 = 1000.0;

/// The options that decide when the silence of an agent is suspicious.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SuspicionOptions {
    /// The phi from which on an agent is suspicious.
    pub threshold: f64,
    /// The number of intervals that are remembered: 100 are 25 minutes at a ping every 15 s.
    pub window: usize,
    /// The smallest standard deviation, without which very regular answers would make any delay suspicious.
    pub min_deviation: Duration,
    /// The silence beyond the mean interval that is acceptable: a pause of the agent, or one lost ping.
    pub acceptable_pause: Duration,
    /// The interval that is assumed before the agent has answered: that of the pings.
    pub expected_interval: Duration,
}

impl SuspicionOptions {
    /// Returns the options for an interval between pings. One ping may stay unanswered, and answers may vary by an
    /// eighth of the interval. At 15 s an agent is suspicious after about 40 s; Mesos marks it unreachable after 75 s.
    pub fn for_interval(interval: Duration) -> Self {
        SuspicionOptions {
            threshold: 8.0,
            window: 100,
            min_deviation: interval / 8,
            acceptable_pause: interval,
            expected_interval: interval,
        }
    }
}

/// The recent answers of one agent.
#[derive(Debug, Clone, Default)]
pub struct Suspicion {
    /// The intervals in seconds, the oldest first.
    intervals: VecDeque<f32>,
    last: Option<Monotonic>,
    /// Whether `last` is no answer, so that the interval since then says nothing.
    interval_unknown: bool,
}

impl Suspicion {
    /// Records an answer of the agent.
    pub fn answered(&mut self, now: Monotonic, options: &SuspicionOptions) {
        let interval_unknown = std::mem::take(&mut self.interval_unknown);
        if let Some(last) = self.last.replace(now).filter(|_| !interval_unknown) {
            while self.intervals.len() >= options.window.max(1) {
                self.intervals.pop_front();
            }
            // A long silence is cut, so that it does not make the next one look normal.
            let longest = options.expected_interval + options.acceptable_pause;
            self.intervals.push_back(now.since(last).min(longest).as_secs_f32());
        }
    }

    /// Begins a new interval; the silence so far is ignored, since the link was broken or the master was paused.
    pub fn restart_interval(&mut self, now: Monotonic) {
        self.last = Some(now);
        self.interval_unknown = true;
    }

    /// Returns how long the agent has been silent; zero before its first event.
    pub fn silence(&self, now: Monotonic) -> Duration {
        self.last.map_or(Duration::ZERO, |last| now.since(last))
    }

    /// Returns phi. It does not fall while the agent is silent, and is zero before the first event.
    pub fn phi(&self, now: Monotonic, options: &SuspicionOptions) -> f64 {
        let Some(last) = self.last else { return 0.0 };
        let (mean, deviation) = self.distribution(options);
        let deviation = deviation.max(options.min_deviation.as_secs_f64()).max(1e-3);
        let usual = mean + options.acceptable_pause.as_secs_f64();
        tail((now.since(last).as_secs_f64() - usual) / deviation).min(CERTAIN)
    }

    fn distribution(&self, options: &SuspicionOptions) -> (f64, f64) {
        if self.intervals.is_empty() {
            let expected = options.expected_interval.as_secs_f64();
            return (expected, expected / 4.0);
        }
        let count = self.intervals.len() as f64;
        let mean = self.intervals.iter().map(|interval| f64::from(*interval)).sum::<f64>() / count;
        let variance = self.intervals.iter().map(|interval| (f64::from(*interval) - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt())
    }
}

/// Returns -log10 of the probability that a normally distributed value lies `z` deviations above the mean or further.
/// The function uses the logistic approximation of the distribution (error below 1.4e-4), in a form that does not
/// overflow and keeps small probabilities.
fn tail(z: f64) -> f64 {
    let y = z * (1.5976 + 0.070566 * z * z);
    let softplus = y.max(0.0) + (-y.abs()).exp().ln_1p();
    softplus / std::f64::consts::LN_10
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: fn() -> SuspicionOptions = || SuspicionOptions::for_interval(Duration::from_secs(15));

    fn at(seconds: f64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs_f64(seconds))
    }

    fn answering(intervals: &[f64]) -> (Suspicion, f64) {
        let mut suspicion = Suspicion::default();
        let mut now = 100.0;
        suspicion.answered(at(now), &OPTIONS());
        for interval in intervals {
            now += interval;
            suspicion.answered(at(now), &OPTIONS());
        }
        (suspicion, now)
    }

    #[test]
    fn a_regular_agent_is_suspicious_after_two_unanswered_pings() {
        let (suspicion, now) = answering(&[15.0; 50]);
        for (silence, suspicious) in [(0.0, false), (15.0, false), (30.0, false), (35.0, false), (45.0, true)] {
            let phi = suspicion.phi(at(now + silence), &OPTIONS());
            assert_eq!(phi >= 8.0, suspicious, "{silence} s: {phi}");
        }
    }

    #[test]
    fn irregular_answers_delay_suspicion() {
        let (regular, now) = answering(&[15.0; 20]);
        let (irregular, later) = answering(&[5.0, 25.0].repeat(10));
        let phi = |of: &Suspicion, since: f64| of.phi(at(since + 45.0), &OPTIONS());
        assert!(phi(&regular, now) > 8.0 && phi(&irregular, later) < 3.0);
    }

    #[test]
    fn the_tail_is_that_of_the_normal_distribution() {
        for (z, expect) in [(0.0, 0.301), (1.0, 0.79955), (2.0, 1.643), (-1.0, 0.07505)] {
            assert!((tail(z) - expect).abs() < 0.01, "{z}: {}", tail(z));
        }
    }

    #[test]
    fn the_window_is_bounded_and_drops_old_samples() {
        let mut intervals = vec![300.0; 5];
        intervals.extend([15.0; 100]);
        let (suspicion, now) = answering(&intervals);
        assert_eq!(suspicion.intervals.len(), 100);
        assert!(suspicion.phi(at(now + 45.0), &OPTIONS()) > 8.0);
    }
}
