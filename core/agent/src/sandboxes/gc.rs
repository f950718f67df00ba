//! The removal of the sandboxes of ended executors: after a week, and earlier the fuller the disk is.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::Monotonic;
use model::agent::Change;

use crate::effects::{Command, Context, Timer};
use model::agent::Metrics;

/// The most sandboxes that wait for removal. At this bound the oldest sandbox is removed at once, which frees the
/// memory of its entry for the next one.
const MAX_SCHEDULED: usize = 200_000;
/// The most removals of one step, so that a full disk does not block all other decisions.
const MAX_AT_ONCE: usize = 256;

#[derive(Debug)]
pub(crate) struct Gc {
    delay: Duration,
    headroom: f64,
    usage: f64,
    /// The paths, the oldest first; an entry counts only if `since` agrees with it.
    order: VecDeque<(ScheduledAt, PathBuf)>,
    since: BTreeMap<PathBuf, ScheduledAt>,
    metrics: Arc<Metrics>,
}

/// The time at which a path was scheduled, and its age then: the process may have started after the path was last used.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ScheduledAt {
    at: Monotonic,
    before: Duration,
}

impl ScheduledAt {
    fn age(self, now: Monotonic) -> Duration {
        now.since(self.at) + self.before
    }
}

impl Gc {
    /// Creates a schedule without entries. `delay` is the age at which a sandbox is removed on an empty disk,
    /// `headroom` the fraction of the disk that is kept free, 0..1.
    pub fn new(delay: Duration, headroom: f64, metrics: Arc<Metrics>) -> Self {
        Gc { delay, headroom, usage: 0.0, order: VecDeque::new(), since: BTreeMap::new(), metrics }
    }

    /// Returns the fraction of the disk that is in use; `None` before it has been measured.
    pub fn usage(&self) -> Option<f64> {
        (self.usage > 0.0).then_some(self.usage)
    }

    /// Writes the highest age of a sandbox to the metrics.
    pub fn publish_max_age(&self) {
        self.metrics.set_sandbox_age(self.max_age());
    }

    /// Schedules the removal of a directory.
    pub fn schedule(&mut self, cx: &mut Context<'_>, path: PathBuf) {
        self.schedule_aged(cx, path, Duration::ZERO);
    }

    /// Schedules the removal of a directory that an earlier process of the agent scheduled, `age` ago.
    pub fn schedule_aged(&mut self, cx: &mut Context<'_>, path: PathBuf, age: Duration) {
        let first = self.since.is_empty();
        self.insert(cx.now.monotonic, path, age);
        self.publish_pending();
        if first || self.since.len() > MAX_SCHEDULED {
            self.arm(cx);
        }
    }

    /// Cancels a removal: the directory is in use again.
    pub fn unschedule(&mut self, path: &Path) {
        self.since.remove(path);
    }

    /// Records a measurement of the disk, `usage` being the fraction in use, and removes the sandboxes that are due.
    pub fn disk_usage(&mut self, cx: &mut Context<'_>, usage: f64) {
        if usage.is_finite() {
            self.usage = usage.clamp(0.0, 1.0);
        }
        self.publish_max_age();
        self.collect(cx);
    }

    /// Removes the sandboxes that are due.
    pub fn collect(&mut self, cx: &mut Context<'_>) {
        for _ in 0..MAX_AT_ONCE {
            let Some(path) = self.due(cx.now.monotonic) else { break };
            cx.command(Command::RemoveTree(path.clone()));
            cx.publish(Change::SandboxRemoved(path));
        }
        self.publish_pending();
        self.arm(cx);
    }

    /// Sets the timer for the next removal.
    pub fn arm(&mut self, cx: &mut Context<'_>) {
        self.drop_stale();
        let next = self.order.front().map(|(since, _)| since.at + self.max_age().saturating_sub(since.before));
        match next {
            Some(at) => cx.arm(Timer::Gc, at.max(cx.now.monotonic)),
            None => cx.disarm(Timer::Gc),
        }
    }

    /// Returns the highest age of a sandbox at the present usage of the disk.
    fn max_age(&self) -> Duration {
        self.delay.mul_f64((1.0 - self.headroom - self.usage).clamp(0.0, 1.0))
    }

    fn insert(&mut self, now: Monotonic, path: PathBuf, age: Duration) {
        let since = ScheduledAt { at: now, before: age };
        self.since.insert(path.clone(), since);
        let at = if age.is_zero() {
            self.order.len()
        } else {
            self.order.partition_point(|(other, _)| other.age(now) >= age)
        };
        self.order.insert(at, (since, path));
    }

    /// Removes and returns the oldest path, if it is due.
    fn due(&mut self, now: Monotonic) -> Option<PathBuf> {
        self.drop_stale();
        let (since, _) = self.order.front()?;
        if self.since.len() <= MAX_SCHEDULED && since.age(now) < self.max_age() {
            return None;
        }
        let (_, path) = self.order.pop_front()?;
        self.since.remove(&path);
        Some(path)
    }

    fn publish_pending(&self) {
        self.metrics.gc_path_removals_pending.set(self.since.len() as i64);
    }

    fn drop_stale(&mut self) {
        while self.order.front().is_some_and(|(since, path)| self.since.get(path) != Some(since)) {
            self.order.pop_front();
        }
    }
}
