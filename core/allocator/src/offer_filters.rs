//! Offer filters: the resources that frameworks declined on each agent, and until when.
//!
//! An offer is filtered if an active filter of the same framework, role and agent contains its resources.

use std::collections::{BTreeMap, BTreeSet};

use model::{Monotonic, Role};
use resources::Resources;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::agent::Agent;
use crate::slab::Ix;
use crate::tree::Node;

/// The most offer filters of one framework in one role on one agent; beyond it the filter that ends first is removed. A
/// framework could decline ever different parts of an agent for a year.
const MAX_OFFER_FILTERS: usize = 8;

/// All offer filters. A `Node` is the leaf of a framework in a role.
#[derive(Debug, Default)]
pub(crate) struct OfferFilters {
    on: FxHashMap<Ix<Agent>, AgentOfferFilters>,
    of: FxHashMap<Ix<Node>, LeafOfferFilters>,
    deadlines: BTreeSet<(Monotonic, Ix<Agent>, Ix<Node>)>,
    /// The number of filters by role; roles without filters are absent.
    by_role: BTreeMap<Role, usize>,
    /// The roles whose number changed since the last query.
    changed_counts: BTreeSet<Role>,
}

#[derive(Debug)]
struct LeafOfferFilters {
    role: Role,
    agents: BTreeSet<Ix<Agent>>,
}

#[derive(Debug, Default)]
pub(crate) struct AgentOfferFilters {
    /// The filters by leaf, used for lookup only; their order decides nothing.
    by_leaf: FxHashMap<Ix<Node>, SmallVec<[OfferFilter; 1]>>,
    /// The resources of the last filter. Frameworks often decline the same resources one after the other; their
    /// filters share one copy.
    last_filtered: Resources,
}

/// Remembers whether one filter contains one offer, while the same pair is checked again.
#[derive(Debug, Default)]
pub(crate) struct ContainsCache {
    filtered: Resources,
    offered: Resources,
    contained: bool,
}

#[derive(Debug)]
struct OfferFilter {
    /// The filtered resources, without allocation.
    resources: Resources,
    until: Monotonic,
}

impl OfferFilters {
    pub fn add(&mut self, agent: Ix<Agent>, leaf: Ix<Node>, role: &Role, resources: Resources, until: Monotonic) {
        let on_agent = self.on.entry(agent).or_default();
        let resources = if on_agent.last_filtered == resources { on_agent.last_filtered.clone() } else { resources };
        on_agent.last_filtered.clone_from(&resources);
        let filters = on_agent.by_leaf.entry(leaf).or_default();
        if filters.iter().any(|filter| filter.until >= until && filter.resources.contains(&resources)) {
            return;
        }
        let before = filters.len();
        let mut replaced: SmallVec<[Monotonic; 2]> = SmallVec::new();
        filters.retain(|filter| {
            let stays = filter.until > until || !resources.contains(&filter.resources);
            if !stays {
                replaced.push(filter.until);
            }
            stays
        });
        if filters.len() >= MAX_OFFER_FILTERS {
            filters.sort_by_key(|filter| filter.until);
            replaced.push(filters.remove(0).until);
        }
        filters.push(OfferFilter { resources, until });
        let after = filters.len();
        // A deadline that no filter has any more would stay for as long as the filter was to last, up to a year.
        for until in replaced.into_iter().filter(|until| filters.iter().all(|filter| filter.until != *until)) {
            self.deadlines.remove(&(until, agent, leaf));
        }
        self.deadlines.insert((until, agent, leaf));
        let of_leaf = || LeafOfferFilters { role: role.clone(), agents: BTreeSet::new() };
        self.of.entry(leaf).or_insert_with(of_leaf).agents.insert(agent);
        self.update_count(role, before, after);
    }

    pub fn on(&self, agent: Ix<Agent>) -> Option<&AgentOfferFilters> {
        self.on.get(&agent)
    }

    /// Returns the number of pairs of a leaf and an agent with an active filter.
    pub fn len(&self) -> usize {
        self.of.values().map(|of_leaf| of_leaf.agents.len()).sum()
    }

    /// Returns the roles whose number of filters changed since the last call, with the number.
    pub fn take_changed_counts(&mut self) -> Vec<(Role, usize)> {
        let counted = |role: Role| {
            let count = self.by_role.get(&role).copied().unwrap_or_default();
            (role, count)
        };
        std::mem::take(&mut self.changed_counts).into_iter().map(counted).collect()
    }

    fn update_count(&mut self, role: &Role, before: usize, after: usize) {
        if before == after {
            return;
        }
        let count = self.by_role.entry(role.clone()).or_default();
        *count = (*count + after).saturating_sub(before);
        if *count == 0 {
            self.by_role.remove(role);
        }
        self.changed_counts.insert(role.clone());
    }

    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.deadlines.first().map(|(until, _, _)| *until)
    }

    /// Removes the filters that have ended, and returns the agent and leaf of each.
    pub fn expire(&mut self, now: Monotonic) -> Vec<(Ix<Agent>, Ix<Node>)> {
        let mut ended = Vec::new();
        while let Some((until, agent, leaf)) = self.deadlines.first().copied().filter(|(until, _, _)| *until <= now) {
            self.deadlines.pop_first();
            self.end(agent, leaf, |filter| filter.until <= until);
            ended.push((agent, leaf));
        }
        ended
    }

    pub fn forget_agent(&mut self, agent: Ix<Agent>) {
        for (leaf, filters) in self.on.remove(&agent).unwrap_or_default().by_leaf {
            for filter in &filters {
                self.deadlines.remove(&(filter.until, agent, leaf));
            }
            self.unlink(agent, leaf, filters.len(), true);
        }
    }

    pub fn forget_leaf(&mut self, leaf: Ix<Node>) {
        let agents = self.of.get(&leaf).map(|of_leaf| of_leaf.agents.clone());
        for agent in agents.unwrap_or_default() {
            self.end(agent, leaf, |_| true);
        }
    }

    fn end(&mut self, agent: Ix<Agent>, leaf: Ix<Node>, ends: impl Fn(&OfferFilter) -> bool) {
        let Some(on_agent) = self.on.get_mut(&agent) else { return };
        let Some(filters) = on_agent.by_leaf.get_mut(&leaf) else { return };
        let before = filters.len();
        filters.retain(|filter| {
            let ended = ends(filter);
            if ended {
                self.deadlines.remove(&(filter.until, agent, leaf));
            }
            !ended
        });
        let ended = before - filters.len();
        let none_left = filters.is_empty();
        if none_left {
            on_agent.by_leaf.remove(&leaf);
            if on_agent.by_leaf.is_empty() {
                self.on.remove(&agent);
            }
        }
        self.unlink(agent, leaf, ended, none_left);
    }

    /// Updates the indices after `ended` filters of a leaf on an agent were removed.
    fn unlink(&mut self, agent: Ix<Agent>, leaf: Ix<Node>, ended: usize, none_left: bool) {
        let Some(of_leaf) = self.of.get_mut(&leaf) else { return };
        let role = of_leaf.role.clone();
        if none_left {
            of_leaf.agents.remove(&agent);
            if of_leaf.agents.is_empty() {
                self.of.remove(&leaf);
            }
        }
        self.update_count(&role, ended, 0);
    }
}

impl AgentOfferFilters {
    /// Returns the time until which the resources, given without allocation, are filtered for a leaf.
    pub fn until(&self, leaf: Ix<Node>, resources: &Resources, cache: &mut ContainsCache) -> Option<Monotonic> {
        let filters = self.by_leaf.get(&leaf)?;
        let matching = filters.iter().filter(|filter| cache.contains(&filter.resources, resources));
        matching.map(|filter| filter.until).max()
    }
}

impl ContainsCache {
    fn contains(&mut self, filtered: &Resources, offered: &Resources) -> bool {
        if !(self.filtered.is_identical(filtered) && self.offered.is_identical(offered)) {
            *self = ContainsCache {
                contained: filtered.contains(offered),
                filtered: filtered.clone(),
                offered: offered.clone(),
            };
        }
        self.contained
    }
}
