//! The agents that offer constraints exclude for each framework and role. They are computed when the attributes of an
//! agent or the constraints of a framework change, so that a run only looks them up.

use std::sync::Arc;

use model::Role;
use rustc_hash::{FxHashMap, FxHashSet};

use super::constraint::AgentAttributes;
use super::{OfferConstraintsFilter, compile::Groups};
use crate::agent::Agent;
use crate::slab::Ix;
use crate::tree::Node;

/// All exclusions, by the leaf of a framework in a role; leaves without constraints are absent. The maps are used for
/// lookup only; their order decides nothing.
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

    /// Computes the exclusions of a new or changed agent.
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

    /// Returns, in words, one constraint of each group that excludes an agent; empty if the agent is not excluded.
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
