//! Which agents policies keep from offers. Two rules go before every policy: never more than the configured share of the
//! registered agents at once, and never against an operator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vocabulary::{AgentId, Now};

use crate::incident::{Incident, Kind, News};
use crate::monitor::{Monitor, Order};
use crate::patient::Patient;
use crate::policy::Remedy;

const OPERATORS: &str = "an operator decides about this agent";

#[derive(Debug, Default)]
pub(crate) struct Treatments {
    /// With the number of the incident that is the reason.
    held: BTreeMap<AgentId, u64>,
    /// Until an operator reactivates them.
    pub drained: BTreeSet<AgentId>,
    /// Agents that were not kept from offers because of the limit.
    pub refused: u64,
}

impl Treatments {
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
    pub(crate) fn treat(&mut self, now: Now, agent: &AgentId, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get(agent).filter(|patient| patient.registered) else { return };
        let is_held = self.treatments.holds(agent);
        if self.treatments.drained.contains(agent) {
            if patient.operators && is_held {
                self.release(now, agent, "it drains", orders);
            }
            return;
        }
        let wanted = self.wanted(patient, agent);
        match wanted {
            _ if patient.operators && is_held => self.release(now, agent, OPERATORS, orders),
            Some((incident, _)) if patient.operators => {
                self.act(now, incident.number, "left_alone", OPERATORS.to_owned(), orders);
            }
            Some((incident, Remedy::Drain)) => self.drain(now, agent, &incident, orders),
            Some((incident, _)) if !is_held => self.hold(now, agent, &incident, orders),
            Some(_) => {}
            None if is_held => self.release(now, agent, "what was wrong is over", orders),
            None => {}
        }
    }

    /// The first reason to do something, the strongest remedy first.
    fn wanted(&self, patient: &Patient, agent: &AgentId) -> Option<(Arc<Incident>, Remedy)> {
        let incidents = self.book.open_about(agent);
        let treatable = incidents.into_iter().filter(|incident| !patient.overruled.contains(&incident.kind));
        let mut holding = None;
        for incident in treatable {
            match self.policy.remedy(&incident) {
                Remedy::Drain => return Some((incident, Remedy::Drain)),
                Remedy::StopOffering => drop(holding.get_or_insert(incident)),
                Remedy::Report => {}
            }
        }
        holding.map(|incident| (incident, Remedy::StopOffering))
    }

    fn has_room_for(&self, agent: &AgentId) -> bool {
        let others = self.treatments.count() - usize::from(self.treatments.holds(agent));
        others < self.allowance()
    }

    fn hold(&mut self, now: Now, agent: &AgentId, incident: &Incident, orders: &mut Vec<Order>) {
        if !self.has_room_for(agent) {
            return self.refuse(now, incident, "not_held", orders);
        }
        self.treatments.held.insert(agent.clone(), incident.number);
        let reason = match incident.kind {
            Kind::AgentFlapping => "it is in quarantine".to_owned(),
            kind => format!("the policy for {kind}"),
        };
        self.act(now, incident.number, "stop_offering", reason, orders);
        orders.push(Order::Hold(agent.clone()));
    }

    fn drain(&mut self, now: Now, agent: &AgentId, incident: &Incident, orders: &mut Vec<Order>) {
        if !self.has_room_for(agent) {
            return self.refuse(now, incident, "not_drained", orders);
        }
        self.treatments.drained.insert(agent.clone());
        self.unsaved.insert(agent.clone());
        self.act(now, incident.number, "drain", format!("the policy for {}", incident.kind), orders);
        orders.push(Order::Drain(agent.clone()));
    }

    /// It is not tried again for what is wrong now.
    pub(crate) fn drain_refused(&mut self, now: Now, agent: &AgentId, reason: &str, orders: &mut Vec<Order>) {
        self.treatments.drained.remove(agent);
        self.unsaved.insert(agent.clone());
        for incident in self.book.open_about(agent) {
            if self.policy.remedy(&incident) != Remedy::Drain {
                continue;
            }
            if let Some(patient) = self.patients.get_mut(agent) {
                patient.overruled.insert(incident.kind);
            }
            self.act(now, incident.number, "not_drained", reason.to_owned(), orders);
        }
    }

    fn refuse(&mut self, now: Now, incident: &Incident, action: &'static str, orders: &mut Vec<Order>) {
        let reason = format!("no more than {:.0} % of the agents at once", self.policy.max_share * 100.0);
        if self.act(now, incident.number, action, reason, orders) {
            self.treatments.refused += 1;
        }
    }

    pub(crate) fn release(&mut self, now: Now, agent: &AgentId, why: &str, orders: &mut Vec<Order>) {
        let Some(number) = self.treatments.held.remove(agent) else { return };
        self.act(now, number, "offer_again", why.to_owned(), orders);
        orders.push(Order::Release(agent.clone()));
    }

    /// With fewer agents registered, fewer may be held: those that are held for the shortest time go first.
    pub(crate) fn keep_limits(&mut self, now: Now, orders: &mut Vec<Order>) {
        while self.treatments.count() > self.allowance() {
            let newest = self.treatments.held.iter().max_by_key(|(_, number)| **number);
            let Some(agent) = newest.map(|(agent, _)| agent.clone()) else { break };
            self.release(now, &agent, "too large a share of the agents would be kept from offers", orders);
        }
    }

    /// False if that was the last decision about it already.
    pub(crate) fn act(
        &mut self,
        now: Now,
        number: u64,
        action: &'static str,
        reason: String,
        orders: &mut Vec<Order>,
    ) -> bool {
        let incident = self.book.act(number, now.wall, action, reason);
        let is_news = incident.is_some();
        orders.extend(incident.map(|incident| Order::Publish(incident, News::Acted)));
        is_news
    }
}
