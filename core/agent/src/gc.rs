//! When the sandboxes of ended executors are removed: after a week, and the sooner the fuller the disk is.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Monotonic;

use crate::agent::Agent;
use crate::effects::{Command, Context, Timer};
use model::agent::Change;

/// Sandboxes waiting for removal. At this bound the oldest goes at once: its memory is needed for the next.
const MAX_SCHEDULED: usize = 200_000;
/// Removals of one step, so that a full disk does not block every other decision.
const MAX_AT_ONCE: usize = 256;

#[derive(Debug)]
pub(crate) struct Gc {
    delay: Duration,
    headroom: f64,
    usage: f64,
    /// The oldest first; an entry counts only if `since` agrees with it.
    order: VecDeque<(ScheduledAt, PathBuf)>,
    since: BTreeMap<PathBuf, ScheduledAt>,
}

/// When a path was scheduled, and how old it was by then: this process may be younger than what it removes.
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
    pub fn new(delay: Duration, headroom: f64) -> Self {
        Gc { delay, headroom, usage: 0.0, order: VecDeque::new(), since: BTreeMap::new() }
    }

    /// How old a sandbox may become at the present usage of the disk.
    pub fn max_age(&self) -> Duration {
        self.delay.mul_f64((1.0 - self.headroom - self.usage).clamp(0.0, 1.0))
    }

    /// Fraction of the disk in use, if it has been measured.
    pub fn usage(&self) -> Option<f64> {
        (self.usage > 0.0).then_some(self.usage)
    }

    pub fn set_usage(&mut self, usage: f64) {
        if usage.is_finite() {
            self.usage = usage.clamp(0.0, 1.0);
        }
    }

    pub fn len(&self) -> usize {
        self.since.len()
    }

    /// `age`: of what an earlier process of the agent has scheduled.
    pub fn schedule(&mut self, now: Monotonic, path: PathBuf, age: Duration) {
        let since = ScheduledAt { at: now, before: age };
        self.since.insert(path.clone(), since);
        let at = if age.is_zero() {
            self.order.len()
        } else {
            self.order.partition_point(|(other, _)| other.age(now) >= age)
        };
        self.order.insert(at, (since, path));
    }

    /// The directory is in use again.
    pub fn unschedule(&mut self, path: &Path) {
        self.since.remove(path);
    }

    /// The oldest path, if it is due.
    pub fn due(&mut self, now: Monotonic) -> Option<PathBuf> {
        self.drop_stale();
        let (since, _) = self.order.front()?;
        if self.since.len() <= MAX_SCHEDULED && since.age(now) < self.max_age() {
            return None;
        }
        let (_, path) = self.order.pop_front()?;
        self.since.remove(&path);
        Some(path)
    }

    /// When the oldest path is due.
    pub fn next(&mut self) -> Option<Monotonic> {
        self.drop_stale();
        let (since, _) = self.order.front()?;
        Some(since.at + self.max_age().saturating_sub(since.before))
    }

    fn drop_stale(&mut self) {
        while self.order.front().is_some_and(|(since, path)| self.since.get(path) != Some(since)) {
            self.order.pop_front();
        }
    }
}

impl Agent {
    pub(crate) fn schedule_removal(&mut self, cx: &mut Context<'_>, path: PathBuf) {
        self.schedule_removal_of(cx, path, Duration::ZERO);
    }

    /// Of something that has been waiting for so long.
    pub(crate) fn schedule_removal_of(&mut self, cx: &mut Context<'_>, path: PathBuf, age: Duration) {
        let first = self.gc.len() == 0;
        self.gc.schedule(cx.now.monotonic, path, age);
        self.metrics.gc_path_removals_pending.set(self.gc.len() as i64);
        if first || self.gc.len() > MAX_SCHEDULED {
            self.arm_gc(cx);
        }
    }

    pub(crate) fn disk_usage(&mut self, cx: &mut Context<'_>, usage: f64) {
        self.gc.set_usage(usage);
        self.metrics.set_sandbox_age(self.gc.max_age());
        self.collect_garbage(cx);
    }

    pub(crate) fn collect_garbage(&mut self, cx: &mut Context<'_>) {
        for _ in 0..MAX_AT_ONCE {
            let Some(path) = self.gc.due(cx.now.monotonic) else { break };
            cx.command(Command::RemoveTree(path.clone()));
            cx.publish(Change::SandboxRemoved(path));
        }
        self.metrics.gc_path_removals_pending.set(self.gc.len() as i64);
        self.arm_gc(cx);
    }

    pub(crate) fn arm_gc(&mut self, cx: &mut Context<'_>) {
        match self.gc.next() {
            Some(at) => cx.arm(Timer::Gc, at.max(cx.now.monotonic)),
            None => cx.disarm(Timer::Gc),
        }
    }
}
