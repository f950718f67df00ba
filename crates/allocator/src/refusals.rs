//! What frameworks refused, where, until when.
//!
//! An offer is filtered when a live refusal of the same framework, role and agent contains it.

use std::collections::BTreeSet;

use resources::Resources;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use vocabulary::Monotonic;

use crate::agent::Agent;
use crate::slab::Ix;
use crate::tree::Node;

/// Refusals of one framework in one role on one agent. A framework could refuse ever different parts of an agent for
/// a year: beyond this number the one that ends first gives way.
const MAX_REFUSALS: usize = 8;

/// `Node` is the leaf that stands for a framework in a role.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    on: FxHashMap<Ix<Agent>, OnAgent>,
    of: FxHashMap<Ix<Node>, BTreeSet<Ix<Agent>>>,
    deadlines: BTreeSet<(Monotonic, Ix<Agent>, Ix<Node>)>,
}

#[derive(Debug, Default)]
pub(crate) struct OnAgent {
    /// For lookup only: its order decides nothing.
    by_leaf: FxHashMap<Ix<Node>, SmallVec<[Refusal; 1]>>,
    /// What was refused last. Frameworks tend to refuse the same one after the other: then they share its memory.
    last: Resources,
}

/// The answer to "does this refusal contain these resources?", remembered while the same is asked again.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    refused: Resources,
    offered: Resources,
    contained: bool,
}

#[derive(Debug)]
struct Refusal {
    /// Unallocated.
    resources: Resources,
    until: Monotonic,
}

impl Refusals {
    pub fn add(&mut self, agent: Ix<Agent>, leaf: Ix<Node>, resources: Resources, until: Monotonic) {
        let on_agent = self.on.entry(agent).or_default();
        let resources = if on_agent.last == resources { on_agent.last.clone() } else { resources };
        on_agent.last.clone_from(&resources);
        let refusals = on_agent.by_leaf.entry(leaf).or_default();
        if refusals.iter().any(|refusal| refusal.until >= until && refusal.resources.contains(&resources)) {
            return;
        }
        refusals.retain(|refusal| refusal.until > until || !resources.contains(&refusal.resources));
        if refusals.len() >= MAX_REFUSALS {
            refusals.sort_by_key(|refusal| refusal.until);
            refusals.remove(0);
        }
        refusals.push(Refusal { resources, until });
        self.deadlines.insert((until, agent, leaf));
        self.of.entry(leaf).or_default().insert(agent);
    }

    pub fn on(&self, agent: Ix<Agent>) -> Option<&OnAgent> {
        self.on.get(&agent)
    }

    /// The number of framework, role and agent triples with a live refusal.
    pub fn len(&self) -> usize {
        self.of.values().map(BTreeSet::len).sum()
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
            for refusal in refusals {
                self.deadlines.remove(&(refusal.until, agent, leaf));
            }
            self.unlink(agent, leaf);
        }
    }

    pub fn forget_leaf(&mut self, leaf: Ix<Node>) {
        for agent in self.of.get(&leaf).cloned().unwrap_or_default() {
            self.end(agent, leaf, |_| true);
        }
    }

    fn end(&mut self, agent: Ix<Agent>, leaf: Ix<Node>, ends: impl Fn(&Refusal) -> bool) {
        let Some(on_agent) = self.on.get_mut(&agent) else { return };
        let Some(refusals) = on_agent.by_leaf.get_mut(&leaf) else { return };
        refusals.retain(|refusal| {
            let ended = ends(refusal);
            if ended {
                self.deadlines.remove(&(refusal.until, agent, leaf));
            }
            !ended
        });
        if !refusals.is_empty() {
            return;
        }
        on_agent.by_leaf.remove(&leaf);
        if on_agent.by_leaf.is_empty() {
            self.on.remove(&agent);
        }
        self.unlink(agent, leaf);
    }

    fn unlink(&mut self, agent: Ix<Agent>, leaf: Ix<Node>) {
        if let Some(agents) = self.of.get_mut(&leaf) {
            agents.remove(&agent);
            if agents.is_empty() {
                self.of.remove(&leaf);
            }
        }
    }
}

impl OnAgent {
    /// Until when these (unallocated) resources are refused.
    pub fn until(&self, leaf: Ix<Node>, resources: &Resources, memo: &mut Memo) -> Option<Monotonic> {
        let refusals = self.by_leaf.get(&leaf)?;
        let matching = refusals.iter().filter(|refusal| memo.contains(&refusal.resources, resources));
        matching.map(|refusal| refusal.until).max()
    }
}

impl Memo {
    fn contains(&mut self, refused: &Resources, offered: &Resources) -> bool {
        if !(self.refused.is_identical(refused) && self.offered.is_identical(offered)) {
            *self = Memo { contained: refused.contains(offered), refused: refused.clone(), offered: offered.clone() };
        }
        self.contained
    }
}
