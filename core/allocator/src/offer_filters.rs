//! What frameworks refused, where, until when.
//!
//! An offer is filtered when a live refusal of the same framework, role and agent contains it.

use std::collections::{BTreeMap, BTreeSet};

use model::{Monotonic, Role};
use resources::Resources;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::agent::Agent;
use crate::slab::Ix;
use crate::tree::Node;

/// OfferFilters of one framework in one role on one agent. A framework could refuse ever different parts of an agent for
/// a year: beyond this number the one that ends first gives way.
const MAX_OFFER_FILTERS: usize = 8;

/// `Node` is the leaf that stands for a framework in a role.
#[derive(Debug, Default)]
pub(crate) struct OfferFilters {
    on: FxHashMap<Ix<Agent>, AgentOfferFilters>,
    of: FxHashMap<Ix<Node>, LeafOfferFilters>,
    deadlines: BTreeSet<(Monotonic, Ix<Agent>, Ix<Node>)>,
    /// How many there are; roles without any are not in it.
    by_role: BTreeMap<Role, usize>,
    /// Roles whose number changed since this was asked last.
    changed_counts: BTreeSet<Role>,
}

#[derive(Debug)]
struct LeafOfferFilters {
    role: Role,
    agents: BTreeSet<Ix<Agent>>,
}

#[derive(Debug, Default)]
pub(crate) struct AgentOfferFilters {
    /// For lookup only: its order decides nothing.
    by_leaf: FxHashMap<Ix<Node>, SmallVec<[OfferFilter; 1]>>,
    /// What was refused last. Frameworks tend to refuse the same one after the other: then they share its memory.
    last: Resources,
}

/// The answer to "does this refusal contain these resources?", remembered while the same is asked again.
#[derive(Debug, Default)]
pub(crate) struct ContainsCache {
    refused: Resources,
    offered: Resources,
    contained: bool,
}

#[derive(Debug)]
struct OfferFilter {
    /// Unallocated.
    resources: Resources,
    until: Monotonic,
}

impl OfferFilters {
    pub fn add(&mut self, agent: Ix<Agent>, leaf: Ix<Node>, role: &Role, resources: Resources, until: Monotonic) {
        let on_agent = self.on.entry(agent).or_default();
        let resources = if on_agent.last == resources { on_agent.last.clone() } else { resources };
        on_agent.last.clone_from(&resources);
        let refusals = on_agent.by_leaf.entry(leaf).or_default();
        if refusals.iter().any(|refusal| refusal.until >= until && refusal.resources.contains(&resources)) {
            return;
        }
        let before = refusals.len();
        refusals.retain(|refusal| refusal.until > until || !resources.contains(&refusal.resources));
        if refusals.len() >= MAX_OFFER_FILTERS {
            refusals.sort_by_key(|refusal| refusal.until);
            refusals.remove(0);
        }
        refusals.push(OfferFilter { resources, until });
        let after = refusals.len();
        self.deadlines.insert((until, agent, leaf));
        let of_leaf = || LeafOfferFilters { role: role.clone(), agents: BTreeSet::new() };
        self.of.entry(leaf).or_insert_with(of_leaf).agents.insert(agent);
        self.update_count(role, before, after);
    }

    pub fn on(&self, agent: Ix<Agent>) -> Option<&AgentOfferFilters> {
        self.on.get(&agent)
    }

    /// The number of framework, role and agent triples with a live refusal.
    pub fn len(&self) -> usize {
        self.of.values().map(|of_leaf| of_leaf.agents.len()).sum()
    }

    /// The roles whose number of refusals changed since the last call, with what it is now.
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

    /// Forgets what has ended, and says where.
    pub fn expire(&mut self, now: Monotonic) -> Vec<(Ix<Agent>, Ix<Node>)> {
        let mut ended = Vec::new();
        while let Some((until, agent, leaf)) = self.deadlines.first().copied().filter(|(until, _, _)| *until <= now) {
            self.deadlines.pop_first();
            self.end(agent, leaf, |refusal| refusal.until <= until);
            ended.push((agent, leaf));
        }
        ended
    }

    pub fn forget_agent(&mut self, agent: Ix<Agent>) {
        for (leaf, refusals) in self.on.remove(&agent).unwrap_or_default().by_leaf {
            for refusal in &refusals {
                self.deadlines.remove(&(refusal.until, agent, leaf));
            }
            self.unlink(agent, leaf, refusals.len(), true);
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
        let Some(refusals) = on_agent.by_leaf.get_mut(&leaf) else { return };
        let before = refusals.len();
        refusals.retain(|refusal| {
            let ended = ends(refusal);
            if ended {
                self.deadlines.remove(&(refusal.until, agent, leaf));
            }
            !ended
        });
        let ended = before - refusals.len();
        let none_left = refusals.is_empty();
        if none_left {
            on_agent.by_leaf.remove(&leaf);
            if on_agent.by_leaf.is_empty() {
                self.on.remove(&agent);
            }
        }
        self.unlink(agent, leaf, ended, none_left);
    }

    /// So many refusals of a leaf on an agent have ended.
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
    /// Until when these (unallocated) resources are refused.
    pub fn until(&self, leaf: Ix<Node>, resources: &Resources, memo: &mut ContainsCache) -> Option<Monotonic> {
        let refusals = self.by_leaf.get(&leaf)?;
        let matching = refusals.iter().filter(|refusal| memo.contains(&refusal.resources, resources));
        matching.map(|refusal| refusal.until).max()
    }
}

impl ContainsCache {
    fn contains(&mut self, refused: &Resources, offered: &Resources) -> bool {
        if !(self.refused.is_identical(refused) && self.offered.is_identical(offered)) {
            *self = ContainsCache {
                contained: refused.contains(offered),
                refused: refused.clone(),
                offered: offered.clone(),
            };
        }
        self.contained
    }
}
