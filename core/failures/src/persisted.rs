//! The state of a monitor that outlives a master: incidents, and the history of agents as far as later decisions depend
//! on it, so that a flapping agent stays in quarantine over a failover. What a monitor learns from pings, signals and
//! single tasks is not persisted, since it is learnt again quickly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::{AgentId, FrameworkId, Monotonic, Now, Timestamp};

use crate::monitor::{Effect, Monitor};
use crate::monitored_agent::{MonitoredAgent, Quarantine, WORK_SPAN};
use crate::policy::Policy;
use model::incident::{Incident, InvolvedObject, Kind};

/// The history of an agent. Its times are of the wall clock, since the monotonic clock of a master means nothing to
/// the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FailureHistory {
    /// The host name of the agent.
    pub hostname: String,
    /// The recent departures of the agent.
    pub departures: Vec<Timestamp>,
    /// The end and the length of its last quarantine.
    pub quarantine: Option<(Timestamp, Duration)>,
    /// The end of its probation.
    pub probation: Option<Timestamp>,
    /// The kinds of incidents in spite of which an operator reactivated it.
    pub overruled: BTreeSet<Kind>,
    /// Whether a policy drains it or has drained it.
    pub drained: bool,
}

/// Changes of the persisted state; entries that are `None` are deleted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FailureChanges {
    /// Incidents by number.
    pub incidents: BTreeMap<u64, Option<Arc<Incident>>>,
    /// Histories by agent; `None` for an agent whose history is forgotten.
    pub failure_histories: BTreeMap<AgentId, Option<Arc<FailureHistory>>>,
}

/// The persisted state that a new master begins with.
#[derive(Debug, Clone, Copy)]
pub struct PersistedFailures<'a> {
    /// The incidents by number.
    pub incidents: &'a BTreeMap<u64, Arc<Incident>>,
    /// The histories by agent.
    pub failure_histories: &'a BTreeMap<AgentId, Arc<FailureHistory>>,
}

/// The state of an agent in the registry when a master begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentRegistryState {
    /// The agent was registered with the master before and has not re-registered yet.
    Recovered,
    /// The agent was marked unreachable and may return.
    Unreachable,
    /// The agent was removed or marked gone.
    Gone,
}

impl Monitor {
    /// Returns whether any change has to be persisted.
    pub fn has_unsaved(&self) -> bool {
        self.incidents.has_unsaved() || !self.unsaved.is_empty()
    }

    /// Returns what has changed since the last call: at most `most` incidents and histories.
    pub fn take_unsaved(&mut self, now: Now, most: usize) -> FailureChanges {
        let incidents = self.incidents.take_unsaved(most);
        let agents: Vec<AgentId> = std::iter::from_fn(|| self.unsaved.pop_first()).take(most).collect();
        let failure_histories = agents.into_iter().map(|agent| {
            let history = self.history(now, &agent).map(Arc::new);
            (agent, history)
        });
        FailureChanges { incidents, failure_histories: failure_histories.collect() }
    }

    /// Returns the history of an agent; `None` if there is nothing to persist.
    fn history(&self, now: Now, agent: &AgentId) -> Option<FailureHistory> {
        let monitored = self.monitored_agents.get(agent)?;
        let wall = |at: Monotonic| translate(at, now);
        let quarantine = monitored.quarantine.filter(|quarantine| quarantine.remembered > now.monotonic);
        let history = FailureHistory {
            hostname: monitored.hostname.clone(),
            departures: monitored.departures.times(now.monotonic).map(wall).collect(),
            // The end may be before the start of this clock; the time until which it is remembered is not.
            quarantine: quarantine.map(|quarantine| {
                let remembered = wall(quarantine.remembered).nanos();
                let until = remembered.saturating_sub(nanos(self.policy.flapping.max_quarantine));
                (Timestamp::from_nanos(until), quarantine.length)
            }),
            probation: monitored.probation.filter(|until| *until > now.monotonic).map(wall),
            overruled: monitored.overruled.clone(),
            drained: self.remediations.drained.contains(agent),
        };
        let nothing = FailureHistory { hostname: history.hostname.clone(), ..FailureHistory::default() };
        (history != nothing).then_some(history)
    }

    /// Restores the persisted state, before any event. `registry_state` returns the state of an agent in the registry.
    /// Incidents that cannot be true any more are closed at once.
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
            let monitored = history.monitored(now, &self.policy);
            self.monitored_agents.insert(agent.clone(), Box::new(monitored));
            if history.drained {
                self.remediations.drained.insert(agent.clone());
            }
        }
        for incident in self.incidents.open() {
            match (&incident.object, incident.object.agent()) {
                // The master that it is about leads no more.
                (InvolvedObject::Master(_), _) => self.close_incident(now, incident.kind, &incident.object, effects),
                (_, Some(agent)) if registry_state(agent) == AgentRegistryState::Gone => {
                    self.close_incident(now, incident.kind, &incident.object, effects);
                }
                (_, Some(agent)) => self.restore_about(now, agent, &incident),
                (_, None) => {}
            }
        }
        let mut departed = Vec::new();
        for (agent, monitored) in &mut self.monitored_agents {
            match registry_state(agent) {
                AgentRegistryState::Recovered => monitored.recovered = true,
                AgentRegistryState::Unreachable | AgentRegistryState::Gone => departed.push(agent.clone()),
            }
        }
        departed.sort_unstable();
        self.departed.extend(departed);
    }

    fn restore_about(&mut self, now: Now, agent: &AgentId, incident: &Incident) {
        let policy = &self.policy;
        let hostname = || incident.hostname.clone().unwrap_or_default();
        let monitored = self
            .monitored_agents
            .entry(agent.clone())
            .or_insert_with(|| Box::new(MonitoredAgent::new(hostname(), policy)));
        match (&incident.object, incident.kind) {
            (InvolvedObject::Executors(_, framework), Kind::TaskUnhealthy) => {
                monitored.evidence_until = Some(now.monotonic + WORK_SPAN);
                monitored.unhealthy.follow(framework);
            }
            (InvolvedObject::Executors(_, framework), _) => {
                monitored.evidence_until = Some(now.monotonic + WORK_SPAN);
                monitored.follow(framework);
            }
            (_, Kind::TaskFailureRate) => monitored.evidence_until = Some(now.monotonic + WORK_SPAN),
            _ => {}
        }
    }

    /// Returns, once, the frameworks whose disconnection the master before recorded and that is still open.
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
    fn monitored(&self, now: Now, policy: &Policy) -> MonitoredAgent {
        let mut monitored = MonitoredAgent::new(self.hostname.clone(), policy);
        for at in &self.departures {
            // A departure in the future, because a clock jumped, counts as of now.
            monitored.departures.push_aged(now.monotonic, since(now.wall, *at), ());
        }
        monitored.quarantine = self.quarantine.and_then(|(until, length)| {
            let length = length.min(policy.flapping.max_quarantine);
            // A clock that jumped back does not make the quarantine longer.
            let left = since(until, now.wall).min(length);
            let remembered = (left + policy.flapping.max_quarantine).checked_sub(since(now.wall, until))?;
            let until = now.monotonic + left;
            Some(Quarantine { until, length, remembered: now.monotonic + remembered })
        });
        let probation = self.probation.map(|until| since(until, now.wall).min(policy.probation));
        monitored.probation = probation.map(|left| now.monotonic + left);
        monitored.overruled.clone_from(&self.overruled);
        monitored
    }
}

/// Returns the time between two timestamps; zero if `earlier` is later.
fn since(later: Timestamp, earlier: Timestamp) -> Duration {
    Duration::from_nanos(later.nanos().saturating_sub(earlier.nanos()))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Translates a monotonic time into the wall clock.
fn translate(at: Monotonic, now: Now) -> Timestamp {
    let (ahead, behind) = (nanos(at.since(now.monotonic)), nanos(now.monotonic.since(at)));
    Timestamp::from_nanos(now.wall.nanos().saturating_add(ahead).saturating_sub(behind))
}
