//! The windows of unavailability of agents, and the inverse offers for them.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1;
use messages::v1::allocator::InverseOfferStatus;
use model::Monotonic;

use crate::agent::Agent;
use crate::framework::Framework;
use crate::slab::Ix;

/// All windows, by agent. Few agents are under maintenance at a time.
#[derive(Debug, Default)]
pub(crate) struct MaintenanceWindows {
    of: BTreeMap<Ix<Agent>, MaintenanceWindow>,
    /// Agents for which inverse offers may have to be made.
    dirty: BTreeSet<Ix<Agent>>,
    deadlines: BTreeSet<(Monotonic, Ix<Agent>, Ix<Framework>)>,
}

#[derive(Debug)]
struct MaintenanceWindow {
    unavailability: v1::Unavailability,
    outstanding: BTreeSet<Ix<Framework>>,
    statuses: BTreeMap<Ix<Framework>, InverseOfferStatus>,
    /// The inverse offer filters: the time until which a framework gets no inverse offer.
    filters: BTreeMap<Ix<Framework>, Monotonic>,
}

impl MaintenanceWindows {
    /// Sets or removes the window of an agent. A new window begins without answers and filters.
    pub fn set(&mut self, agent: Ix<Agent>, unavailability: Option<v1::Unavailability>) {
        self.forget_agent(agent);
        let Some(unavailability) = unavailability else { return };
        let window = MaintenanceWindow {
            unavailability,
            outstanding: BTreeSet::new(),
            statuses: BTreeMap::new(),
            filters: BTreeMap::new(),
        };
        self.of.insert(agent, window);
        self.dirty.insert(agent);
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub fn unavailability(&self, agent: Ix<Agent>) -> Option<&v1::Unavailability> {
        self.of.get(&agent).map(|window| &window.unavailability)
    }

    /// Marks an agent as dirty after a change of its allocations.
    pub fn mark_dirty(&mut self, agent: Ix<Agent>) {
        if self.of.contains_key(&agent) {
            self.dirty.insert(agent);
        }
    }

    pub fn mark_all_dirty(&mut self) {
        self.dirty.extend(self.of.keys());
    }

    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.deadlines.first().map(|(until, _, _)| *until)
    }

    /// Returns the dirty agents and marks them as clean.
    pub fn take_dirty(&mut self, now: Monotonic) -> BTreeSet<Ix<Agent>> {
        while let Some((until, agent, framework)) =
            self.deadlines.first().copied().filter(|(until, _, _)| *until <= now)
        {
            self.deadlines.pop_first();
            if let Some(window) = self.of.get_mut(&agent) {
                window.filters.retain(|filtered, end| !(*filtered == framework && *end <= until));
                self.dirty.insert(agent);
            }
        }
        std::mem::take(&mut self.dirty)
    }

    /// Marks an inverse offer as outstanding and returns the window; `None` if one is outstanding or filtered.
    pub fn mark_outstanding(&mut self, agent: Ix<Agent>, framework: Ix<Framework>) -> Option<v1::Unavailability> {
        let window = self.of.get_mut(&agent)?;
        if window.filters.contains_key(&framework) || !window.outstanding.insert(framework) {
            return None;
        }
        Some(window.unavailability)
    }

    /// Ends an outstanding inverse offer and records its answer. An answer to an offer that is not outstanding is
    /// ignored.
    pub fn record_status(&mut self, agent: Ix<Agent>, framework: Ix<Framework>, status: Option<InverseOfferStatus>) {
        let Some(window) = self.of.get_mut(&agent) else { return };
        if window.outstanding.remove(&framework) {
            self.dirty.insert(agent);
            if let Some(status) = status {
                window.statuses.insert(framework, status);
            }
        }
    }

    pub fn filter(&mut self, agent: Ix<Agent>, framework: Ix<Framework>, until: Monotonic) {
        let Some(window) = self.of.get_mut(&agent) else { return };
        let end = window.filters.entry(framework).or_insert(until);
        self.deadlines.remove(&(*end, agent, framework));
        *end = until.max(*end);
        self.deadlines.insert((*end, agent, framework));
    }

    pub fn statuses(&self) -> impl Iterator<Item = (Ix<Agent>, &InverseOfferStatus)> {
        self.of.iter().flat_map(|(agent, window)| window.statuses.values().map(|status| (*agent, status)))
    }

    pub fn forget_agent(&mut self, agent: Ix<Agent>) {
        self.dirty.remove(&agent);
        self.forget_filters_on(agent);
        self.of.remove(&agent);
    }

    pub fn forget_filters_on(&mut self, agent: Ix<Agent>) {
        let Some(window) = self.of.get_mut(&agent) else { return };
        for (framework, until) in std::mem::take(&mut window.filters) {
            self.deadlines.remove(&(until, agent, framework));
            self.dirty.insert(agent);
        }
    }

    pub fn forget_filters_of(&mut self, framework: Ix<Framework>) {
        for (agent, window) in &mut self.of {
            if let Some(until) = window.filters.remove(&framework) {
                self.deadlines.remove(&(until, *agent, framework));
                self.dirty.insert(*agent);
            }
        }
    }

    pub fn forget_framework(&mut self, framework: Ix<Framework>) {
        self.forget_filters_of(framework);
        for window in self.of.values_mut() {
            window.outstanding.remove(&framework);
            window.statuses.remove(&framework);
        }
    }
}
