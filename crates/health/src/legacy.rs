//! What outlives a master of what its monitor knows: incidents, and how agents behaved as far as a later judgement depends
//! on it. An agent that flaps is not forgiven because the master changed. What a monitor learns from pings, signals and
//! single tasks is not among it: it is learnt again sooner than it could be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use vocabulary::{AgentId, FrameworkId, Monotonic, Now, Timestamp};

use crate::incident::{Incident, Kind, Subject};
use crate::monitor::{Monitor, Order};
use crate::patient::{Patient, Quarantine, WORK_SPAN};
use crate::policy::Policy;

/// How an agent behaved. Its times are those of the wall clock: the monotonic one of a master says nothing to the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conduct {
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
pub struct Notes {
    /// By number.
    pub incidents: BTreeMap<u64, Option<Arc<Incident>>>,
    pub conducts: BTreeMap<AgentId, Option<Arc<Conduct>>>,
}

/// All that the master before left behind.
#[derive(Debug, Clone, Copy)]
pub struct Legacy<'a> {
    pub incidents: &'a BTreeMap<u64, Arc<Incident>>,
    pub conducts: &'a BTreeMap<AgentId, Arc<Conduct>>,
}

/// Where an agent is for a master that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// It was registered with the master before, and has to come back.
    Awaited,
    Unreachable,
    /// It left for good.
    Gone,
}

impl Monitor {
    pub fn has_notes(&self) -> bool {
        self.book.has_unsaved() || !self.unsaved.is_empty()
    }

    /// What has changed since it was asked last, `most` of a kind at once.
    pub fn take_notes(&mut self, now: Now, most: usize) -> Notes {
        let incidents = self.book.take_unsaved(most);
        let agents: Vec<AgentId> = std::iter::from_fn(|| self.unsaved.pop_first()).take(most).collect();
        let conducts = agents.into_iter().map(|agent| {
            let conduct = self.conduct(now, &agent).map(Arc::new);
            (agent, conduct)
        });
        Notes { incidents, conducts: conducts.collect() }
    }

    /// Nothing of an agent that has nothing to answer for.
    fn conduct(&self, now: Now, agent: &AgentId) -> Option<Conduct> {
        let patient = self.patients.get(agent)?;
        let wall = |at: Monotonic| translate(at, now);
        let quarantine = patient.quarantine.filter(|quarantine| quarantine.remembered > now.monotonic);
        let conduct = Conduct {
            hostname: patient.hostname.clone(),
            departures: patient.departures.times(now.monotonic).map(wall).collect(),
            // Its end may be before this clock began; for how long it is remembered is not.
            quarantine: quarantine.map(|quarantine| {
                let remembered = wall(quarantine.remembered).nanos();
                let until = remembered.saturating_sub(nanos(self.policy.flapping.max_quarantine));
                (Timestamp::from_nanos(until), quarantine.length)
            }),
            probation: patient.probation.filter(|until| *until > now.monotonic).map(wall),
            overruled: patient.overruled.clone(),
            drained: self.treatments.drained.contains(agent),
        };
        let nothing = Conduct { hostname: conduct.hostname.clone(), ..Conduct::default() };
        (conduct != nothing).then_some(conduct)
    }

    /// The first thing that a monitor is told: what the one before it knew, and where the agents are that it was about.
    /// What cannot be true any more is over at once.
    pub fn inherit(
        &mut self,
        now: Now,
        legacy: Legacy<'_>,
        whereabouts: impl Fn(&AgentId) -> Whereabouts,
        orders: &mut Vec<Order>,
    ) {
        self.book.restore(legacy.incidents.values().cloned());
        self.awaits_frameworks = true;
        for (agent, conduct) in legacy.conducts {
            if whereabouts(agent) == Whereabouts::Gone {
                self.unsaved.insert(agent.clone());
                continue;
            }
            let patient = conduct.patient(now, &self.policy);
            self.patients.insert(agent.clone(), Box::new(patient));
            if conduct.drained {
                self.treatments.drained.insert(agent.clone());
            }
        }
        for incident in self.book.open() {
            match (&incident.subject, incident.subject.agent()) {
                // The master it was about leads no more.
                (Subject::Master(_), _) => self.over(now, incident.kind, &incident.subject, orders),
                (_, Some(agent)) if whereabouts(agent) == Whereabouts::Gone => {
                    self.over(now, incident.kind, &incident.subject, orders);
                }
                (_, Some(agent)) => self.inherit_about(now, agent, &incident),
                (_, None) => {}
            }
        }
        for (agent, patient) in &mut self.patients {
            match whereabouts(agent) {
                Whereabouts::Awaited => patient.awaited = true,
                Whereabouts::Unreachable | Whereabouts::Gone => self.departed.push_back(agent.clone()),
            }
        }
    }

    fn inherit_about(&mut self, now: Now, agent: &AgentId, incident: &Incident) {
        let policy = &self.policy;
        let hostname = || incident.hostname.clone().unwrap_or_default();
        let patient = self.patients.entry(agent.clone()).or_insert_with(|| Box::new(Patient::new(hostname(), policy)));
        match (&incident.subject, incident.kind) {
            (Subject::Executors(_, framework), _) => {
                patient.evidence_until = Some(now.monotonic + WORK_SPAN);
                patient.follow(framework);
            }
            (_, Kind::TaskFailureRate) => patient.evidence_until = Some(now.monotonic + WORK_SPAN),
            _ => {}
        }
    }

    /// Frameworks that the master before waited for, as far as they have not come; said once.
    pub fn take_missed_frameworks(&mut self) -> Vec<FrameworkId> {
        if !std::mem::take(&mut self.awaits_frameworks) {
            return Vec::new();
        }
        let incidents = self.book.open_of(Kind::FrameworkDisconnected);
        let framework = |incident: Arc<Incident>| match &incident.subject {
            Subject::Framework(framework) => Some(framework.clone()),
            _ => None,
        };
        incidents.into_iter().filter_map(framework).collect()
    }
}

impl Conduct {
    fn patient(&self, now: Now, policy: &Policy) -> Patient {
        let mut patient = Patient::new(self.hostname.clone(), policy);
        for at in &self.departures {
            // One that was in the future, because a clock jumped, is of now.
            patient.departures.push_aged(now.monotonic, since(now.wall, *at), ());
        }
        patient.quarantine = self.quarantine.and_then(|(until, length)| {
            let length = length.min(policy.flapping.max_quarantine);
            // Neither does a clock that jumped back make it longer than it was.
            let left = since(until, now.wall).min(length);
            let remembered = (left + policy.flapping.max_quarantine).checked_sub(since(now.wall, until))?;
            let until = now.monotonic + left;
            Some(Quarantine { until, length, remembered: now.monotonic + remembered })
        });
        let probation = self.probation.map(|until| since(until, now.wall).min(policy.probation));
        patient.probation = probation.map(|left| now.monotonic + left);
        patient.overruled.clone_from(&self.overruled);
        patient
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
