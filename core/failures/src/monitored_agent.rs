//! The state of one monitored agent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{FrameworkId, Monotonic};

use crate::phi::Suspicion;
use crate::policy::Policy;
use crate::signals::Signals;
use crate::sliding_window::SlidingWindow;
use crate::task_health::UnhealthyTasks;
use model::incident::Kind;

/// The time for which failures of tasks and crashes of executors count.
pub(crate) const WORK_SPAN: Duration = Duration::from_secs(600);
const MAX_TASKS: usize = 50;
const MAX_CRASHES: usize = 50;
/// The most frameworks whose crashes on one agent are counted.
const MAX_FRAMEWORKS: usize = 32;
const MAX_DEPARTURES: usize = 100;

#[derive(Debug)]
pub(crate) struct MonitoredAgent {
    pub hostname: String,
    pub registered: bool,
    pub connected: bool,
    /// Whether an operator drains it or has deactivated it; policies then do nothing.
    pub operators: bool,
    /// The kinds of incidents in spite of which an operator reactivated it; they hold it again only when they recur.
    pub overruled: BTreeSet<Kind>,
    pub suspicion: Suspicion,
    /// The time of its last check.
    pub checked: Option<Monotonic>,
    pub signals: Option<Signals>,
    /// Whether each of the recently ended tasks failed.
    pub task_results: SlidingWindow<bool>,
    pub crashes: BTreeMap<FrameworkId, SlidingWindow<()>>,
    pub unhealthy: UnhealthyTasks,
    pub departures: SlidingWindow<()>,
    pub quarantine: Option<Quarantine>,
    pub probation: Option<Monotonic>,
    /// Whether it was registered with the master before and has not re-registered yet.
    pub recovered: bool,
    /// The time until which incidents about failures of tasks and executors stay open without evidence, since the
    /// evidence of the master before is not persisted.
    pub evidence_until: Option<Monotonic>,
}

/// The last quarantine of an agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quarantine {
    pub until: Monotonic,
    pub length: Duration,
    /// The time before which a new quarantine is longer than this one.
    pub remembered: Monotonic,
}

impl MonitoredAgent {
    pub fn new(hostname: String, policy: &Policy) -> Self {
        MonitoredAgent {
            hostname,
            registered: false,
            connected: false,
            operators: false,
            overruled: BTreeSet::new(),
            suspicion: Suspicion::default(),
            checked: None,
            signals: None,
            task_results: SlidingWindow::new(WORK_SPAN, MAX_TASKS),
            crashes: BTreeMap::new(),
            unhealthy: UnhealthyTasks::default(),
            departures: SlidingWindow::new(policy.flapping.within, MAX_DEPARTURES),
            quarantine: None,
            probation: None,
            recovered: false,
            evidence_until: None,
        }
    }

    pub fn in_quarantine(&self, now: Monotonic) -> bool {
        self.quarantine.is_some_and(|quarantine| quarantine.until > now)
    }

    pub fn on_probation(&self, now: Monotonic) -> bool {
        self.probation.is_some_and(|until| until > now)
    }

    /// Records a departure. Returns whether the agent is flapping.
    pub fn departed(&mut self, now: Monotonic, policy: &Policy) -> bool {
        self.departures.push(now, ());
        self.departures.count(now) >= policy.flapping.departures || self.on_probation(now)
    }

    /// Begins a quarantine, twice as long as the last one if that is remembered, and returns its length.
    pub fn begin_quarantine(&mut self, now: Monotonic, policy: &Policy) -> Duration {
        let flapping = &policy.flapping;
        let recent = self.quarantine.filter(|last| now < last.remembered);
        let length = recent.map_or(flapping.quarantine, |last| last.length * 2).min(flapping.max_quarantine);
        let until = now + length;
        self.quarantine = Some(Quarantine { until, length, remembered: until + flapping.max_quarantine });
        self.departures.clear();
        length
    }

    pub fn crashed(&mut self, now: Monotonic, framework: &FrameworkId) {
        if self.crashes.len() >= MAX_FRAMEWORKS && !self.crashes.contains_key(framework) {
            self.crashes.retain(|_, crashes| crashes.count(now) > 0);
            if self.crashes.len() >= MAX_FRAMEWORKS {
                return;
            }
        }
        self.follow(framework).push(now, ());
    }

    pub fn follow(&mut self, framework: &FrameworkId) -> &mut SlidingWindow<()> {
        self.crashes.entry(framework.clone()).or_insert_with(|| SlidingWindow::new(WORK_SPAN, MAX_CRASHES))
    }

    /// Returns whether the lack of failures is evidence that an incident about its tasks is over.
    pub fn has_evidence(&self, now: Monotonic) -> bool {
        self.evidence_until.is_none_or(|until| until <= now)
    }

    /// Returns the number of tasks that ended recently, and the number of those that failed.
    pub fn task_failures(&self, now: Monotonic) -> (usize, usize) {
        let failed = self.task_results.iter(now).filter(|failed| **failed).count();
        (self.task_results.count(now), failed)
    }
}
