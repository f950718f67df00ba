//! Which agents policies keep from offers. Two rules go before every policy: never more than the configured share of the
//! registered agents at once, and never against an operator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{AgentId, Now};

use crate::monitor::{Effect, Monitor};
use crate::policy::RemediationAction;
use crate::subject::Subject;
use model::incident::{Incident, IncidentUpdate, Kind};

const OPERATORS: &str = "an operator decides about this agent";

#[derive(Debug, Default)]
pub(crate) struct Remediations {
    /// With the number of the incident that is the reason.
    held: BTreeMap<AgentId, u64>,
    /// Until an operator reactivates them.
    pub drained: BTreeSet<AgentId>,
    /// Agents that were not kept from offers because of the limit.
    pub refused: u64,
}

impl Remediations {
    pub fn holds(&self, agent: &AgentId) -> bool {
        self.held.contains_key(agent)
    }

    /// Held and drained ones.
    pub fn count(&self) -> usize {
        self.held.keys().filter(|agent| !self.drained.contains(*agent)).count() + self.drained.len()
    }

    pub fn forget(&mut self, agent: &AgentId) {
        self.held.remove(agent);
        self.drained.remove(agent);
    }
}

impl Monitor {
    /// Does what the policy says about the open incidents of an agent, and ends what it says no more.
    pub(crate) fn remediate(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get(agent).filter(|subject| subject.registered) else { return };
        let is_held = self.remediations.holds(agent);
        if self.remediations.drained.contains(agent) {
            if subject.operators && is_held {
                self.release(now, agent, "it drains", effects);
            }
            return;
        }
        let wanted = self.wanted(subject, agent);
        match wanted {
            _ if subject.operators && is_held => self.release(now, agent, OPERATORS, effects),
            Some((incident, _)) if subject.operators => {
                self.record_action(now, incident.number, "left_alone", OPERATORS.to_owned(), effects);
            }
            Some((incident, RemediationAction::Drain)) => self.drain(now, agent, &incident, effects),
            Some((incident, _)) if !is_held => self.hold(now, agent, &incident, effects),
            Some(_) => {}
            None if is_held => self.release(now, agent, "what was wrong is over", effects),
            None => {}
        }
    }

    /// The first reason to do something, the strongest remedy first.
    fn wanted(&self, subject: &Subject, agent: &AgentId) -> Option<(Arc<Incident>, RemediationAction)> {
        let incidents = self.incidents.open_about(agent);
        let remediable = incidents.into_iter().filter(|incident| !subject.overruled.contains(&incident.kind));
        let mut holding = None;
        for incident in remediable {
            match self.policy.remediation(&incident) {
                RemediationAction::Drain => return Some((incident, RemediationAction::Drain)),
                RemediationAction::StopOffering => drop(holding.get_or_insert(incident)),
                RemediationAction::Report => {}
            }
        }
        holding.map(|incident| (incident, RemediationAction::StopOffering))
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

    /// It is not tried again for what is wrong now.
    pub(crate) fn drain_refused(&mut self, now: Now, agent: &AgentId, reason: &str, effects: &mut Vec<Effect>) {
        self.remediations.drained.remove(agent);
        self.unsaved.insert(agent.clone());
        for incident in self.incidents.open_about(agent) {
            if self.policy.remediation(&incident) != RemediationAction::Drain {
                continue;
            }
            if let Some(subject) = self.subjects.get_mut(agent) {
                subject.overruled.insert(incident.kind);
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

    pub(crate) fn release(&mut self, now: Now, agent: &AgentId, why: &str, effects: &mut Vec<Effect>) {
        let Some(number) = self.remediations.held.remove(agent) else { return };
        self.record_action(now, number, "offer_again", why.to_owned(), effects);
        effects.push(Effect::Release(agent.clone()));
    }

    /// With fewer agents registered, fewer may be held: those that are held for the shortest time go first.
    pub(crate) fn enforce_limit(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while self.remediations.count() > self.max_held() {
            let newest = self.remediations.held.iter().max_by_key(|(_, number)| **number);
            let Some(agent) = newest.map(|(agent, _)| agent.clone()) else { break };
            self.release(now, &agent, "too large a share of the agents would be kept from offers", effects);
        }
    }

    /// False if that was the last decision about it already.
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
