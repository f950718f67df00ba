//! Checks the remediation of a master: it does only what its policy says, and never to more agents than the policy
//! allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use failures::Policy;
use master::Effect;
use model::incident::{Incident, IncidentUpdate, InvolvedObject, Kind};
use model::master::Change;
use model::{AgentId, FrameworkId};

/// The decision of the master about an agent.
#[derive(Debug, Clone, Copy)]
struct AgentStatus {
    /// Whether offers of the agent may be made.
    active: bool,
    drains: bool,
    /// Whether the agent drains or is deactivated.
    not_offered: bool,
}

/// The remediation of one master, as its changes tell it.
#[derive(Debug)]
pub struct RemediationCheck {
    policy: Policy,
    agents: BTreeMap<AgentId, AgentStatus>,
    /// The agents that the master recovered from the registry and that have not re-registered. `expected` is how many
    /// there were at first; it is zero once all have come back.
    recovered: BTreeSet<AgentId>,
    expected: usize,
    /// The agents that policies keep from offers, with the number of the incident.
    quarantined: BTreeMap<AgentId, u64>,
    drained: BTreeSet<AgentId>,
    open: BTreeMap<u64, Arc<Incident>>,
    /// When each agent was last put in quarantine, and for how long.
    last_quarantine: BTreeMap<AgentId, (Duration, Duration)>,
    /// The agents that operators have put to use again; earlier quarantines do not count for them.
    forgiven: BTreeSet<AgentId>,
}

impl RemediationCheck {
    pub fn new(policy: Policy) -> Self {
        RemediationCheck {
            policy,
            agents: BTreeMap::new(),
            recovered: BTreeSet::new(),
            expected: 0,
            quarantined: BTreeMap::new(),
            drained: BTreeSet::new(),
            open: BTreeMap::new(),
            last_quarantine: BTreeMap::new(),
            forgiven: BTreeSet::new(),
        }
    }

    /// Applies the changes among the effects of one step.
    ///
    /// # Errors
    ///
    /// Returns the first violation.
    pub fn read(&mut self, time: Duration, effects: &[Effect]) -> Result<(), String> {
        let mut relevant = false;
        for effect in effects {
            if let Effect::Publish(change) = effect {
                relevant |= self.apply(time, change)?;
            }
        }
        if !relevant {
            return Ok(());
        }
        let drained = self.drained.iter().filter(|agent| !self.quarantined.contains_key(*agent)).count();
        let max_held = self.policy.max_held(self.agents.len().max(self.expected));
        // Agents that drain already continue to drain when other agents leave and the allowed share shrinks.
        if !self.quarantined.is_empty() && self.quarantined.len() + drained > max_held {
            return Err(format!(
                "policies keep {} agents from offers, and drain {drained} more; of {} they may {max_held}",
                self.quarantined.len(),
                self.agents.len()
            ));
        }
        Ok(())
    }

    fn apply(&mut self, time: Duration, change: &Change) -> Result<bool, String> {
        match change {
            Change::AgentsRecovered(agents) => {
                self.recovered.extend(agents.iter().filter_map(|info| info.id.as_ref()).map(AgentId::from));
                self.expected = self.recovered.len();
            }
            Change::AgentAdded(agent) | Change::AgentUpdated(agent) => {
                self.returned(&agent.id);
                let now = AgentStatus {
                    active: agent.active,
                    drains: agent.drain.is_some(),
                    not_offered: agent.drain.is_some() || agent.deactivated,
                };
                let before = self.agents.insert(agent.id.clone(), now);
                if !now.drains && before.is_some_and(|before| before.drains) {
                    self.drained.remove(&agent.id);
                }
                if !now.not_offered && before.is_some_and(|before| before.not_offered) {
                    self.forgiven.insert(agent.id.clone());
                }
            }
            Change::AgentRemoved { agent, removal, .. } => {
                if !removal.is_unreachable() {
                    // An agent that an operator or the agent itself removed has no history when it comes back.
                    self.last_quarantine.remove(agent);
                }
                self.returned(agent);
                self.agents.remove(agent);
                self.quarantined.remove(agent);
                self.drained.remove(agent);
            }
            Change::OfferAdded(offer) => {
                if self.quarantined.contains_key(offer.agent_id()) {
                    return Err(format!("agent {} is offered, and a policy keeps it from offers", offer.agent_id()));
                }
                if !self.agents.get(offer.agent_id()).is_some_and(|status| status.active) {
                    return Err(format!("agent {} is offered, and is not active", offer.agent_id()));
                }
                return Ok(false);
            }
            Change::IncidentsRestored(incidents) => {
                let open = incidents.iter().filter(|incident| incident.is_open());
                self.open.extend(open.map(|incident| (incident.number, incident.clone())));
            }
            Change::Incident(incident, update) => self.incident(time, incident, *update)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn returned(&mut self, agent: &AgentId) {
        if self.recovered.remove(agent) && self.recovered.is_empty() {
            self.expected = 0;
        }
    }

    fn incident(&mut self, time: Duration, incident: &Arc<Incident>, update: IncidentUpdate) -> Result<(), String> {
        if incident.is_open() {
            self.open.insert(incident.number, incident.clone());
        } else {
            self.open.remove(&incident.number);
        }
        let (Some(agent), Some(action), IncidentUpdate::Acted) =
            (incident.object.agent(), incident.actions.last(), update)
        else {
            return Ok(());
        };
        match action.action.as_ref() {
            "stop_offering" => drop(self.quarantined.insert(agent.clone(), incident.number)),
            "offer_again" => {
                self.quarantined.remove(agent);
                let early = self.last_quarantine.get(agent).is_some_and(|(at, length)| time < *at + *length);
                if early && incident.kind == Kind::AgentFlapping && action.reason == "what was wrong is over" {
                    return Err(format!("agent {agent} leaves its quarantine too early"));
                }
            }
            "drain" => drop(self.drained.insert(agent.clone())),
            "not_drained" => drop(self.drained.remove(agent)),
            "quarantine" => return self.quarantine(time, agent, &action.reason),
            _ => {}
        }
        Ok(())
    }

    /// Checks the length of a quarantine: each is twice as long as the one before, up to a bound, unless that one was
    /// long ago.
    fn quarantine(&mut self, time: Duration, agent: &AgentId, reason: &str) -> Result<(), String> {
        let seconds = reason.split_whitespace().filter_map(|word| word.parse().ok()).next_back().unwrap_or(0);
        let length = Duration::from_secs(seconds);
        let flapping = &self.policy.flapping;
        let forgiven = self.forgiven.remove(agent);
        let expected = match self.last_quarantine.insert(agent.clone(), (time, length)) {
            Some((at, before)) if time < at + before + flapping.max_quarantine => {
                (before * 2).min(flapping.max_quarantine)
            }
            Some(_) => flapping.quarantine,
            // The master before may have known an earlier quarantine.
            None => length.max(flapping.quarantine),
        };
        if length != expected && !(forgiven && length == flapping.quarantine) {
            return Err(format!("agent {agent} is in quarantine for {length:?}, and not for {expected:?}"));
        }
        Ok(())
    }

    /// Returns an open incident whose cause is over, given the agents that are registered and the frameworks that are
    /// subscribed.
    pub fn stale(&self, is_subscribed: impl Fn(&FrameworkId) -> bool) -> Option<String> {
        let stale = self.open.values().find(|incident| match (incident.kind, &incident.object) {
            (
                Kind::AgentSuspicious | Kind::AgentUnreachable | Kind::AgentDisconnected,
                InvolvedObject::Agent(agent),
            ) => self.agents.contains_key(agent),
            (Kind::FrameworkDisconnected, InvolvedObject::Framework(framework)) => is_subscribed(framework),
            (Kind::MasterFailover, _) => true,
            _ => false,
        })?;
        Some(format!("{} of {} is over, and not recorded as such", stale.kind, stale.object))
    }
}
