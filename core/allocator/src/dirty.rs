//! The agents and frameworks that the next run visits.
//!
//! After a run no framework can be offered more of an agent than before until one of them changes. A run therefore
//! visits changed agents for all frameworks, all agents for changed frameworks, and the agents of ended offer filters
//! for the frameworks that set them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::agent::Agent;
use crate::slab::Ix;
use crate::tree::Node;

/// With more changed frameworks than this, a visit of all frameworks in order costs no more.
const MAX_LEAVES: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Dirty {
    everything: bool,
    agents: BTreeMap<Ix<Agent>, Recipients>,
    /// The frameworks in roles that are considered on every agent.
    leaves: BTreeSet<Ix<Node>>,
}

/// The frameworks that an agent may be offered to. Considering more of them than necessary is harmless.
#[derive(Debug, Clone)]
pub(crate) enum Recipients {
    All,
    /// Frameworks in roles, in no particular order.
    Leaves(Arc<[Ix<Node>]>),
}

impl Dirty {
    pub fn is_empty(&self) -> bool {
        !self.everything && self.agents.is_empty() && self.leaves.is_empty()
    }

    pub fn everything(&mut self) {
        self.everything = true;
    }

    pub fn agent(&mut self, agent: Ix<Agent>) {
        self.agents.insert(agent, Recipients::All);
    }

    pub fn leaf(&mut self, leaf: Ix<Node>) {
        self.leaves.insert(leaf);
    }

    pub fn leaf_on(&mut self, agent: Ix<Agent>, leaf: Ix<Node>) {
        let recipients = self.agents.entry(agent).or_insert_with(|| Recipients::Leaves(Arc::from([])));
        *recipients = recipients.and(&[leaf]);
    }

    pub fn forget(&mut self, agent: Ix<Agent>) {
        self.agents.remove(&agent);
    }

    /// Returns the dirty entries and marks all as clean. The result is in the order of agents, so that the order of
    /// events has no influence on a run.
    pub fn take(&mut self, all: impl Iterator<Item = Ix<Agent>>) -> Vec<(Ix<Agent>, Recipients)> {
        let Dirty { everything, mut agents, leaves } = std::mem::take(self);
        if everything || leaves.len() > MAX_LEAVES {
            return all.map(|agent| (agent, Recipients::All)).collect();
        }
        if leaves.is_empty() {
            return agents.into_iter().collect();
        }
        let leaves: Arc<[Ix<Node>]> = leaves.into_iter().collect();
        let recipients = |agent| match agents.remove(&agent) {
            Some(recipients) => (agent, recipients.and(&leaves)),
            None => (agent, Recipients::Leaves(leaves.clone())),
        };
        all.map(recipients).collect()
    }
}

impl Recipients {
    fn and(&self, more: &[Ix<Node>]) -> Recipients {
        match self {
            Recipients::Leaves(leaves) if leaves.len() + more.len() <= MAX_LEAVES => {
                let all: BTreeSet<Ix<Node>> = leaves.iter().chain(more).copied().collect();
                Recipients::Leaves(all.into_iter().collect())
            }
            _ => Recipients::All,
        }
    }
}
