//! One allocation run: the dirty agents, in random order, each offered to whoever has the best claim.
//!
//! Within an agent the order of roles and frameworks stays as it was at its first look; what is given
//! away moves its receivers before the next agent is looked at (as in Mesos).

use std::ops::ControlFlow;

use resources::Resources;
use vocabulary::{AgentId, FrameworkId, Monotonic, Role};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::framework::Framework;
use crate::refusals::OnAgent;
use crate::rules;
use crate::slab::Ix;
use crate::tree::{Kind, Node};

/// One offer to make: `resources` are allocated to `role`.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    pub framework: FrameworkId,
    pub role: Role,
    pub agent: AgentId,
    pub resources: Resources,
}

/// What a framework in a role gets of the agent being looked at.
struct Grant {
    framework: Ix<Framework>,
    leaf: Ix<Node>,
    role: Role,
    /// Allocated to the role.
    resources: Resources,
}

impl Allocator {
    /// Looks at what is dirty and at expired refusals, and says what to offer. Offers to one framework follow each
    /// other.
    pub fn allocate(&mut self, now: Monotonic) -> Vec<Allocation> {
        for (agent, _) in self.refusals.expire(now) {
            self.mark_dirty(agent);
        }
        self.tree.sort(&self.cluster);
        let mut grants: Vec<(Ix<Agent>, Grant)> = Vec::new();
        for agent in self.candidates() {
            for grant in self.grants(agent) {
                self.hold(agent, grant.framework, &grant.resources);
                grants.push((agent, grant));
            }
        }
        grants.sort_by_key(|(_, grant)| grant.framework);
        grants.into_iter().filter_map(|(agent, grant)| self.allocation(agent, grant)).collect()
    }

    /// The dirty agents that have something to offer, shuffled; they are clean now.
    fn candidates(&mut self) -> Vec<Ix<Agent>> {
        let mut dirty: Vec<Ix<Agent>> = if std::mem::take(&mut self.all_dirty) {
            self.dirty.clear();
            self.agents.iter().map(|(ix, _)| ix).collect()
        } else {
            std::mem::take(&mut self.dirty)
        };
        // The order of events must not matter beyond what they changed.
        dirty.sort_unstable();
        dirty.retain(|ix| {
            let agent = self.agents.get_mut(*ix);
            agent.is_some_and(|agent| {
                agent.dirty = false;
                agent.is_offerable()
            })
        });
        for last in (1..dirty.len()).rev() {
            dirty.swap(last, self.options.random.below(last as u64 + 1) as usize);
        }
        dirty
    }

    fn grants(&self, ix: Ix<Agent>) -> Vec<Grant> {
        let Some(agent) = self.agents.get(ix) else { return Vec::new() };
        let refusals = self.refusals.on(ix);
        let mut left = agent.available().clone();
        let mut grants = Vec::new();
        self.tree.visit(&mut |role, leaves| {
            if left.is_empty() {
                return ControlFlow::Break(());
            }
            let mut for_role = left.allocatable_to(role.as_str());
            for leaf in leaves {
                if for_role.is_empty() {
                    break;
                }
                let Some(resources) = self.offerable(agent, refusals, role, *leaf, &for_role) else { continue };
                // A shared resource goes to one framework per run and agent.
                left -= &resources;
                for_role -= &resources;
                let Some(framework) = self.framework_of(*leaf) else { continue };
                grants.push(Grant { framework, leaf: *leaf, role: role.clone(), resources: resources.allocated(role) });
            }
            ControlFlow::Continue(())
        });
        grants
    }

    /// The part of `available` (which is allocatable to the role) that this framework gets.
    fn offerable(
        &self,
        agent: &Agent,
        refusals: Option<&OnAgent>,
        role: &Role,
        leaf: Ix<Node>,
        available: &Resources,
    ) -> Option<Resources> {
        let framework = self.frameworks.get(self.framework_of(leaf)?)?;
        if !rules::is_allocatable(&self.options, framework, role, available)
            || rules::agent_excluded(&self.options, agent, framework, role).is_some()
        {
            return None;
        }
        let resources = available.filter(|resource| rules::missing_capability(framework, resource).is_none());
        let refused = refusals.is_some_and(|refusals| refusals.until(leaf, &resources).is_some());
        (!refused && rules::is_allocatable(&self.options, framework, role, &resources)).then_some(resources)
    }

    fn framework_of(&self, leaf: Ix<Node>) -> Option<Ix<Framework>> {
        match self.tree.get(leaf)?.kind {
            Kind::Leaf { framework, .. } => Some(framework),
            _ => None,
        }
    }

    fn allocation(&self, agent: Ix<Agent>, grant: Grant) -> Option<Allocation> {
        debug_assert!(self.tree.get(grant.leaf).is_some());
        Some(Allocation {
            framework: self.frameworks.get(grant.framework)?.id.clone(),
            role: grant.role,
            agent: self.agents.get(agent)?.id.clone(),
            resources: grant.resources,
        })
    }
}
