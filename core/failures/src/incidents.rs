//! The open and the closed incidents. At most one incident of a kind is open about an object. Both sets are bounded:
//! beyond the bound new incidents are only counted, and the oldest closed ones are forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{AgentId, Timestamp};

use model::incident::{Action, Incident, IncidentUpdate, InvolvedObject, Kind, Severity};

/// The most open incidents. A master may lose tens of thousands of agents at once.
const MAX_OPEN: usize = 20_000;
const MAX_CLOSED: usize = 1_000;
/// The most actions of one incident. Later ones are dropped, since the first ones say how it began.
const MAX_ACTIONS: usize = 50;

#[derive(Debug)]
pub(crate) struct Incidents {
    master: String,
    next: u64,
    /// The open and the closed incidents, by number.
    incidents: BTreeMap<u64, Arc<Incident>>,
    open: BTreeMap<(InvolvedObject, Kind), u64>,
    closed: std::collections::VecDeque<u64>,
    /// Incidents that changed and are not persisted yet.
    unsaved: BTreeSet<u64>,
    pub detected: u64,
    pub recovered: u64,
    /// Incidents that were not recorded because too many are open.
    pub suppressed: u64,
}

/// A failure that was found.
#[derive(Debug)]
pub(crate) struct Finding {
    pub kind: Kind,
    pub severity: Severity,
    pub object: InvolvedObject,
    pub hostname: Option<String>,
    pub details: String,
}

impl Incidents {
    pub fn new(master: String) -> Self {
        Incidents {
            master,
            next: 0,
            incidents: BTreeMap::new(),
            open: BTreeMap::new(),
            closed: std::collections::VecDeque::new(),
            unsaved: BTreeSet::new(),
            detected: 0,
            recovered: 0,
            suppressed: 0,
        }
    }

    /// Restores the incidents of the master before. Numbers continue from its last number.
    pub fn restore(&mut self, incidents: impl IntoIterator<Item = Arc<Incident>>) {
        for incident in incidents {
            let number = incident.number;
            self.next = self.next.max(number);
            if incident.is_open() {
                self.open.insert((incident.object.clone(), incident.kind), number);
            } else {
                self.closed.push_back(number);
            }
            self.incidents.insert(number, incident);
        }
        self.forget_oldest();
    }

    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Returns at most `most` incidents that changed, as they are now; `None` for one that is forgotten.
    pub fn take_unsaved(&mut self, most: usize) -> BTreeMap<u64, Option<Arc<Incident>>> {
        let numbers: Vec<u64> = std::iter::from_fn(|| self.unsaved.pop_first()).take(most).collect();
        numbers.into_iter().map(|number| (number, self.incidents.get(&number).cloned())).collect()
    }

    /// Opens an incident, or changes the severity of the open one. Returns `None` if nothing is new.
    pub fn open_incident(&mut self, at: Timestamp, finding: Finding) -> Option<(Arc<Incident>, IncidentUpdate)> {
        let key = (finding.object.clone(), finding.kind);
        if let Some(number) = self.open.get(&key) {
            let incident = self.incidents.get_mut(number).filter(|known| known.severity != finding.severity)?;
            let known = Arc::make_mut(incident);
            known.severity = finding.severity;
            known.details = finding.details;
            self.unsaved.insert(*number);
            return Some((incident.clone(), IncidentUpdate::Changed));
        }
        if self.open.len() >= MAX_OPEN {
            self.suppressed += 1;
            return None;
        }
        self.next += 1;
        self.detected += 1;
        let incident = Arc::new(Incident {
            id: format!("{}-F{}", self.master, self.next),
            number: self.next,
            kind: finding.kind,
            severity: finding.severity,
            object: finding.object,
            hostname: finding.hostname,
            details: finding.details,
            detected: at,
            actions: Vec::new(),
            recovered: None,
        });
        self.open.insert(key, self.next);
        self.unsaved.insert(self.next);
        self.incidents.insert(self.next, incident.clone());
        Some((incident, IncidentUpdate::Detected))
    }

    pub fn close_incident(&mut self, at: Timestamp, kind: Kind, object: &InvolvedObject) -> Option<Arc<Incident>> {
        let number = self.open.remove(&(object.clone(), kind))?;
        self.recovered += 1;
        self.closed.push_back(number);
        let incident = self.incidents.get_mut(&number)?;
        Arc::make_mut(incident).recovered = Some(at);
        let incident = incident.clone();
        self.unsaved.insert(number);
        self.forget_oldest();
        Some(incident)
    }

    fn forget_oldest(&mut self) {
        while self.closed.len() > MAX_CLOSED {
            let Some(oldest) = self.closed.pop_front() else { break };
            self.incidents.remove(&oldest);
            self.unsaved.insert(oldest);
        }
    }

    /// Records a decision of a policy. A repeated decision is recorded once.
    pub fn record_action(
        &mut self,
        number: u64,
        at: Timestamp,
        action: &'static str,
        reason: String,
    ) -> Option<Arc<Incident>> {
        let incident = self.incidents.get_mut(&number)?;
        let same = |last: &Action| last.action == action && last.reason == reason;
        if incident.actions.last().is_some_and(same) || incident.actions.len() >= MAX_ACTIONS {
            return None;
        }
        Arc::make_mut(incident).actions.push(Action { at, action: action.into(), reason });
        self.unsaved.insert(number);
        Some(incident.clone())
    }

    pub fn get_open(&self, kind: Kind, object: &InvolvedObject) -> Option<&Arc<Incident>> {
        self.incidents.get(self.open.get(&(object.clone(), kind))?)
    }

    /// Returns the open incidents about an agent or its executors, in a fixed order.
    pub fn open_about(&self, agent: &AgentId) -> Vec<Arc<Incident>> {
        // The objects of one agent are not neighbours: agents come before executors.
        let own = InvolvedObject::Agent(agent.clone());
        let executors = InvolvedObject::Executors(agent.clone(), model::FrameworkId::new(""));
        let first = Kind::AgentSuspicious;
        let own = self.open.range((own, first)..).take_while(|((object, _), _)| is_agent(object, agent));
        let theirs = self.open.range((executors, first)..).take_while(|((object, _), _)| object.agent() == Some(agent));
        own.chain(theirs).filter_map(|(_, number)| self.incidents.get(number).cloned()).collect()
    }

    /// Returns all open incidents in a fixed order.
    pub fn open(&self) -> Vec<Arc<Incident>> {
        self.open.values().filter_map(|number| self.incidents.get(number).cloned()).collect()
    }

    pub fn open_of(&self, kind: Kind) -> Vec<Arc<Incident>> {
        let numbers = self.open.iter().filter(|((_, other), _)| *other == kind).map(|(_, number)| number);
        numbers.filter_map(|number| self.incidents.get(number).cloned()).collect()
    }

    pub fn open_count(&self) -> usize {
        self.open.len()
    }
}

fn is_agent(object: &InvolvedObject, agent: &AgentId) -> bool {
    matches!(object, InvolvedObject::Agent(id) if id == agent)
}
