//! What outlives a master of what its monitor knows: incidents, and how agents behaved as far as a later judgement depends
//! on it. An agent that flaps is not forgiven because the master changed. What a monitor learns from pings, signals and
//! single tasks is not among it: it is learnt again sooner than it could be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::{AgentId, FrameworkId, Monotonic, Now, Timestamp};

use crate::monitor::{Effect, Monitor};
use crate::policy::Policy;
use crate::subject::{Quarantine, Subject, WORK_SPAN};
use model::incident::{Incident, InvolvedObject, Kind};

/// How an agent behaved. Its times are those of the wall clock: the monotonic one of a master says nothing to the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FailureHistory {
    pub hostname: String,
    /// When it left, lately.
    pub departures: Vec<Timestamp>,
    /// When its last quarantine ends or ended, and how long it is.
    pub quarantine: Option<(Timestamp, Duration)>,
    /// Until when it is watched.
    pub probation: Option<Timestamp>,
    /// What an operator reactivated it in spite of.
    pub overruled: BTreeSet<Kind>,
    /// A policy drains it, or has drained it.
    pub drained: bool,
}

/// What has changed of what outlives a master; what is None is forgotten.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FailureChanges {
    /// By number.
    pub incidents: BTreeMap<u64, Option<Arc<Incident>>>,
    pub failure_histories: BTreeMap<AgentId, Option<Arc<FailureHistory>>>,
}

/// All that the master before left behind.
#[derive(Debug, Clone, Copy)]
pub struct PersistedFailures<'a> {
    pub incidents: &'a BTreeMap<u64, Arc<Incident>>,
    pub failure_histories: &'a BTreeMap<AgentId, Arc<FailureHistory>>,
}

/// Where an agent is for a master that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentRegistryState {
    /// It was registered with the master before, and has to come back.
    Recovered,
    Unreachable,
    /// It left for good.
    Gone,
}

impl Monitor {
    pub fn has_unsaved(&self) -> bool {
        self.incidents.has_unsaved() || !self.unsaved.is_empty()
    }

    /// What has changed since it was asked last, `most` of a kind at once.
    pub fn take_unsaved(&mut self, now: Now, most: usize) -> FailureChanges {
        let incidents = self.incidents.take_unsaved(most);
        let agents: Vec<AgentId> = std::iter::from_fn(|| self.unsaved.pop_first()).take(most).collect();
        let failure_histories = agents.into_iter().map(|agent| {
            let history = self.history(now, &agent).map(Arc::new);
            (agent, history)
        });
        FailureChanges { incidents, failure_histories: failure_histories.collect() }
    }

    /// Nothing of an agent that has nothing to answer for.
    fn history(&self, now: Now, agent: &AgentId) -> Option<FailureHistory> {
        let subject = self.subjects.get(agent)?;
        let wall = |at: Monotonic| translate(at, now);
        let quarantine = subject.quarantine.filter(|quarantine| quarantine.remembered > now.monotonic);
        let history = FailureHistory {
            hostname: subject.hostname.clone(),
            departures: subject.departures.times(now.monotonic).map(wall).collect(),
            // Its end may be before this clock began; for how long it is remembered is not.
            quarantine: quarantine.map(|quarantine| {
                let remembered = wall(quarantine.remembered).nanos();
                let until = remembered.saturating_sub(nanos(self.policy.flapping.max_quarantine));
                (Timestamp::from_nanos(until), quarantine.length)
            }),
            probation: subject.probation.filter(|until| *until > now.monotonic).map(wall),
            overruled: subject.overruled.clone(),
            drained: self.remediations.drained.contains(agent),
        };
        let nothing = FailureHistory { hostname: history.hostname.clone(), ..FailureHistory::default() };
        (history != nothing).then_some(history)
    }

    /// The first thing that a monitor is told: what the one before it knew, and where the agents are that it was about.
    /// What cannot be true any more is over at once.
    pub fn restore(
        &mut self,
        now: Now,
        persisted: PersistedFailures<'_>,
        registry_state: impl Fn(&AgentId) -> AgentRegistryState,
        effects: &mut Vec<Effect>,
    ) {
        self.incidents.restore(persisted.incidents.values().cloned());
        self.awaits_frameworks = true;
        for (agent, history) in persisted.failure_histories {
            if registry_state(agent) == AgentRegistryState::Gone {
                self.unsaved.insert(agent.clone());
                continue;
            }
            let subject = history.subject(now, &self.policy);
            self.subjects.insert(agent.clone(), Box::new(subject));
            if history.drained {
                self.remediations.drained.insert(agent.clone());
            }
        }
        for incident in self.incidents.open() {
            match (&incident.object, incident.object.agent()) {
                // The master it was about leads no more.
                (InvolvedObject::Master(_), _) => self.close_incident(now, incident.kind, &incident.object, effects),
                (_, Some(agent)) if registry_state(agent) == AgentRegistryState::Gone => {
                    self.close_incident(now, incident.kind, &incident.object, effects);
                }
                (_, Some(agent)) => self.restore_about(now, agent, &incident),
                (_, None) => {}
            }
        }
        for (agent, subject) in &mut self.subjects {
            match registry_state(agent) {
                AgentRegistryState::Recovered => subject.awaited = true,
                AgentRegistryState::Unreachable | AgentRegistryState::Gone => self.departed.push_back(agent.clone()),
            }
        }
    }

    fn restore_about(&mut self, now: Now, agent: &AgentId, incident: &Incident) {
        let policy = &self.policy;
        let hostname = || incident.hostname.clone().unwrap_or_default();
        let subject = self.subjects.entry(agent.clone()).or_insert_with(|| Box::new(Subject::new(hostname(), policy)));
        match (&incident.object, incident.kind) {
            (InvolvedObject::Executors(_, framework), _) => {
                subject.evidence_until = Some(now.monotonic + WORK_SPAN);
                subject.follow(framework);
            }
            (_, Kind::TaskFailureRate) => subject.evidence_until = Some(now.monotonic + WORK_SPAN),
            _ => {}
        }
    }

    /// Frameworks that the master before waited for, as far as they have not come; said once.
    pub fn take_missed_frameworks(&mut self) -> Vec<FrameworkId> {
        if !std::mem::take(&mut self.awaits_frameworks) {
            return Vec::new();
        }
        let incidents = self.incidents.open_of(Kind::FrameworkDisconnected);
        let framework = |incident: Arc<Incident>| match &incident.object {
            InvolvedObject::Framework(framework) => Some(framework.clone()),
            _ => None,
        };
        incidents.into_iter().filter_map(framework).collect()
    }
}

impl FailureHistory {
    fn subject(&self, now: Now, policy: &Policy) -> Subject {
        let mut subject = Subject::new(self.hostname.clone(), policy);
        for at in &self.departures {
            // One that was in the future, because a clock jumped, is of now.
            subject.departures.push_aged(now.monotonic, since(now.wall, *at), ());
        }
        subject.quarantine = self.quarantine.and_then(|(until, length)| {
            let length = length.min(policy.flapping.max_quarantine);
            // Neither does a clock that jumped back make it longer than it was.
            let left = since(until, now.wall).min(length);
            let remembered = (left + policy.flapping.max_quarantine).checked_sub(since(now.wall, until))?;
            let until = now.monotonic + left;
            Some(Quarantine { until, length, remembered: now.monotonic + remembered })
        });
        let probation = self.probation.map(|until| since(until, now.wall).min(policy.probation));
        subject.probation = probation.map(|left| now.monotonic + left);
        subject.overruled.clone_from(&self.overruled);
        subject
    }
}

/// Zero when `earlier` is in fact later.
fn since(later: Timestamp, earlier: Timestamp) -> Duration {
    Duration::from_nanos(later.nanos().saturating_sub(earlier.nanos()))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// What the wall clock says, or said, at that time.
fn translate(at: Monotonic, now: Now) -> Timestamp {
    let (ahead, behind) = (nanos(at.since(now.monotonic)), nanos(now.monotonic.since(at)));
    Timestamp::from_nanos(now.wall.nanos().saturating_add(ahead).saturating_sub(behind))
}
