//! Which agents the offer constraints of which framework in which role exclude. Computed when an agent's attributes or a
//! framework's constraints change, so that a run only looks it up.

use std::sync::Arc;

use model::Role;
use rustc_hash::{FxHashMap, FxHashSet};

use super::constraint::AgentAttributes;
use super::{OfferConstraintsFilter, compile::Groups};
use crate::agent::Agent;
use crate::slab::Ix;
use crate::tree::Node;

/// For lookup only: the order of nothing in here decides anything. `Node` is the leaf that stands for a framework in a
/// role; those without constraints are absent.
#[derive(Debug, Default)]
pub(crate) struct Exclusions {
    of: FxHashMap<Ix<Node>, LeafExclusions>,
}

#[derive(Debug)]
struct LeafExclusions {
    constraints: Arc<OfferConstraintsFilter>,
    role: Role,
    agents: FxHashSet<Ix<Agent>>,
}

impl Exclusions {
    pub fn set<'a>(
        &mut self,
        leaf: Ix<Node>,
        role: &Role,
        constraints: &Arc<OfferConstraintsFilter>,
        agents: impl Iterator<Item = (Ix<Agent>, &'a AgentAttributes)>,
    ) {
        let Some(groups) = constraints.of(role) else { return };
        let agents =
            agents.filter(|(_, attributes)| !groups.is_satisfied_by(attributes)).map(|(agent, _)| agent).collect();
        self.of.insert(leaf, LeafExclusions { constraints: constraints.clone(), role: role.clone(), agents });
    }

    /// A new agent, or one that has changed.
    pub fn update_agent_exclusion(&mut self, agent: Ix<Agent>, attributes: &AgentAttributes) {
        for excluded in self.of.values_mut() {
            if excluded.groups().is_none_or(|groups| groups.is_satisfied_by(attributes)) {
                excluded.agents.remove(&agent);
            } else {
                excluded.agents.insert(agent);
            }
        }
    }

    pub fn is_agent_excluded(&self, leaf: Ix<Node>, agent: Ix<Agent>) -> bool {
        !self.of.is_empty() && self.of.get(&leaf).is_some_and(|excluded| excluded.agents.contains(&agent))
    }

    /// In words, what excludes an agent: of each group one constraint. Empty when nothing does.
    pub fn unmet(&self, leaf: Ix<Node>, agent: Ix<Agent>, attributes: &AgentAttributes) -> Vec<String> {
        let excluded = self.of.get(&leaf).filter(|excluded| excluded.agents.contains(&agent));
        excluded.and_then(LeafExclusions::groups).map(|groups| groups.unmet(attributes)).unwrap_or_default()
    }

    pub fn forget_leaf(&mut self, leaf: Ix<Node>) {
        self.of.remove(&leaf);
    }

    pub fn forget_agent(&mut self, agent: Ix<Agent>) {
        for excluded in self.of.values_mut() {
            excluded.agents.remove(&agent);
        }
    }
}

impl LeafExclusions {
    fn groups(&self) -> Option<&Groups> {
        self.constraints.of(&self.role)
    }
}
