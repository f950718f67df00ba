//! Remediation: the agents that policies hold or drain. Two rules take precedence over every policy: never more than
//! the configured share of the registered agents at once, and never against the decision of an operator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{AgentId, Now};

use crate::monitor::{Effect, Monitor};
use crate::monitored_agent::MonitoredAgent;
use crate::policy::RemediationAction;
use model::incident::{Incident, IncidentUpdate, Kind};

const OPERATORS: &str = "an operator decides about this agent";

#[derive(Debug, Default)]
pub(crate) struct Remediations {
    /// The held agents, with the number of the incident that is the reason.
    held: BTreeMap<AgentId, u64>,
    /// Agents that policies drain, until an operator reactivates them.
    pub drained: BTreeSet<AgentId>,
    /// The number of times that the limit prevented a remediation.
    pub refused: u64,
}

impl Remediations {
    pub fn holds(&self, agent: &AgentId) -> bool {
        self.held.contains_key(agent)
    }

    /// Returns the number of held and drained agents.
    pub fn count(&self) -> usize {
        self.held.len() + self.drained.iter().filter(|agent| !self.holds(agent)).count()
    }

    pub fn forget(&mut self, agent: &AgentId) {
        self.held.remove(agent);
        self.drained.remove(agent);
    }
}

impl Monitor {
    /// Applies the policy to the open incidents of an agent, and releases it if the policy no longer holds it.
    pub(crate) fn remediate(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(monitored) = self.monitored_agents.get(agent).filter(|monitored| monitored.registered) else { return };
        let is_held = self.remediations.holds(agent);
        if self.remediations.drained.contains(agent) {
            if monitored.operators && is_held {
                self.release(now, agent, "it drains", effects);
            }
            return;
        }
        let wanted = self.required_action(monitored, agent);
        match wanted {
            _ if monitored.operators && is_held => self.release(now, agent, OPERATORS, effects),
            Some((incident, _)) if monitored.operators => {
                self.record_action(now, incident.number, "left_alone", OPERATORS.to_owned(), effects);
            }
            Some((incident, RemediationAction::Drain)) => self.drain(now, agent, &incident, effects),
            Some((incident, _)) if !is_held => self.hold(now, agent, &incident, effects),
            Some(_) => {}
            None if is_held => self.release(now, agent, "what was wrong is over", effects),
            None => {}
        }
    }

    /// Returns the incident to remediate and the action; draining takes precedence over stopping offers.
    fn required_action(
        &self,
        monitored: &MonitoredAgent,
        agent: &AgentId,
    ) -> Option<(Arc<Incident>, RemediationAction)> {
        let incidents = self.incidents.open_about(agent);
        let remediable = incidents.into_iter().filter(|incident| !monitored.overruled.contains(&incident.kind));
        let mut stop_offering = None;
        for incident in remediable {
            match self.policy.remediation(&incident) {
                RemediationAction::Drain => return Some((incident, RemediationAction::Drain)),
                RemediationAction::StopOffering => drop(stop_offering.get_or_insert(incident)),
                RemediationAction::Report => {}
            }
        }
        stop_offering.map(|incident| (incident, RemediationAction::StopOffering))
    }

    fn may_hold(&self, agent: &AgentId) -> bool {
        let others = self.remediations.count() - usize::from(self.remediations.holds(agent));
        others < self.max_held()
    }

    fn hold(&mut self, now: Now, agent: &AgentId, incident: &Incident, effects: &mut Vec<Effect>) {
        if !self.may_hold(agent) {
            return self.refuse(now, incident, "not_held", effects);
        }
        self.remediations.held.insert(agent.clone(), incident.number);
        let reason = match incident.kind {
            Kind::AgentFlapping => "it is in quarantine".to_owned(),
            kind => format!("the policy for {kind}"),
        };
        self.record_action(now, incident.number, "stop_offering", reason, effects);
        effects.push(Effect::Hold(agent.clone()));
    }

    fn drain(&mut self, now: Now, agent: &AgentId, incident: &Incident, effects: &mut Vec<Effect>) {
        if !self.may_hold(agent) {
            return self.refuse(now, incident, "not_drained", effects);
        }
        self.remediations.drained.insert(agent.clone());
        self.unsaved.insert(agent.clone());
        self.record_action(now, incident.number, "drain", format!("the policy for {}", incident.kind), effects);
        effects.push(Effect::Drain(agent.clone()));
    }

    /// Records that an agent cannot be drained; the policy does not try again for its current incidents.
    pub(crate) fn drain_refused(&mut self, now: Now, agent: &AgentId, reason: &str, effects: &mut Vec<Effect>) {
        self.remediations.drained.remove(agent);
        self.unsaved.insert(agent.clone());
        for incident in self.incidents.open_about(agent) {
            if self.policy.remediation(&incident) != RemediationAction::Drain {
                continue;
            }
            if let Some(monitored) = self.monitored_agents.get_mut(agent) {
                monitored.overruled.insert(incident.kind);
            }
            self.record_action(now, incident.number, "not_drained", reason.to_owned(), effects);
        }
    }

    fn refuse(&mut self, now: Now, incident: &Incident, action: &'static str, effects: &mut Vec<Effect>) {
        let reason = format!("no more than {:.0} % of the agents at once", self.policy.max_share * 100.0);
        if self.record_action(now, incident.number, action, reason, effects) {
            self.remediations.refused += 1;
        }
    }

    pub(crate) fn release(&mut self, now: Now, agent: &AgentId, reason: &str, effects: &mut Vec<Effect>) {
        let Some(number) = self.remediations.held.remove(agent) else { return };
        self.record_action(now, number, "offer_again", reason.to_owned(), effects);
        effects.push(Effect::Release(agent.clone()));
    }

    /// Releases agents until no more than the limit are held; those with the newest incidents come first.
    pub(crate) fn enforce_limit(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while self.remediations.count() > self.max_held() {
            let newest = self.remediations.held.iter().max_by_key(|(_, number)| **number);
            let Some(agent) = newest.map(|(agent, _)| agent.clone()) else { break };
            self.release(now, &agent, "too large a share of the agents would be kept from offers", effects);
        }
    }

    /// Records a decision. Returns false if it repeats the last one.
    pub(crate) fn record_action(
        &mut self,
        now: Now,
        number: u64,
        action: &'static str,
        reason: String,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let incident = self.incidents.record_action(number, now.wall, action, reason);
        let is_news = incident.is_some();
        effects.extend(incident.map(|incident| Effect::Publish(incident, IncidentUpdate::Acted)));
        is_news
    }
}
