//! One allocation run: the dirty agents, in random order, each offered to whoever has the best claim.
//!
//! Within an agent the order of roles and frameworks stays as it was at its first look; what is given
//! away moves its receivers before the next agent is looked at (as in Mesos).

use std::ops::ControlFlow;

use resources::Resources;
use vocabulary::{AgentId, FrameworkId, Monotonic, Role};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::dirty::Interest;
use crate::framework::Framework;
use crate::options::Options;
use crate::refusals::Memo;
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
    role: Role,
    resources: Resources,
    /// The same, allocated to the role.
    allocated: Resources,
}

/// What is left of an agent for one role, with what depends on nothing else: most frameworks that are asked about it
/// in turn differ only in what they refused.
struct Leftover {
    resources: Resources,
    /// Every framework may be offered all of it.
    plain: bool,
    /// It is worth an offer to frameworks without a minimum of their own.
    enough: bool,
}

impl Leftover {
    fn new(options: &Options, resources: Resources) -> Self {
        Leftover {
            plain: !resources.iter().any(rules::needs_capability),
            enough: rules::is_enough(&options.min_allocatable, &resources),
            resources,
        }
    }
}

impl Allocator {
    /// Looks at what is dirty and at expired refusals, and says what to offer: agent after agent, in the order in
    /// which they were given away.
    pub fn allocate(&mut self, now: Monotonic) -> Vec<Allocation> {
        if self.is_paused(now) {
            return Vec::new();
        }
        for (agent, leaf) in self.refusals.expire(now) {
            self.dirty.leaf_on(agent, leaf);
        }
        self.tree.sort(&self.cluster);
        let mut grants: Vec<(Ix<Agent>, Grant)> = Vec::new();
        for (agent, interest) in self.candidates() {
            for grant in self.grants(agent, &interest) {
                self.hold_in_role(agent, grant.framework, &grant.role, &grant.allocated, &grant.resources);
                grants.push((agent, grant));
            }
        }
        grants.into_iter().filter_map(|(agent, grant)| self.allocation(agent, grant)).collect()
    }

    /// The dirty agents that have something to offer, shuffled; they are clean now.
    fn candidates(&mut self) -> Vec<(Ix<Agent>, Interest)> {
        let mut candidates = self.dirty.take(self.agents.iter().map(|(ix, _)| ix));
        candidates.retain(|(ix, _)| self.agents.get(*ix).is_some_and(Agent::is_offerable));
        for last in (1..candidates.len()).rev() {
            candidates.swap(last, self.options.random.below(last as u64 + 1) as usize);
        }
        candidates
    }

    fn grants(&self, ix: Ix<Agent>, interest: &Interest) -> Vec<Grant> {
        let Some(agent) = self.agents.get(ix) else { return Vec::new() };
        let refusals = self.refusals.on(ix);
        let mut memo = Memo::default();
        let mut left = agent.available().clone();
        let mut grants = Vec::new();
        let mut visit = |role: &Role, leaves: &[Ix<Node>]| {
            if left.is_empty() {
                return ControlFlow::Break(());
            }
            let mut for_role = Leftover::new(&self.options, left.allocatable_to(role.as_str()));
            for leaf in leaves {
                if for_role.resources.is_empty() {
                    break;
                }
                if self.exclusions.excludes(*leaf, ix) {
                    continue;
                }
                let Some((framework, resources)) = self.offerable(agent, role, *leaf, &for_role) else { continue };
                if refusals.is_some_and(|refusals| refusals.until(*leaf, &resources, &mut memo).is_some()) {
                    continue;
                }
                // A shared resource goes to one framework per run and agent.
                left -= &resources;
                for_role = Leftover::new(&self.options, &for_role.resources - &resources);
                let allocated = resources.allocated(role);
                grants.push(Grant { framework, role: role.clone(), resources, allocated });
            }
            ControlFlow::Continue(())
        };
        match interest {
            Interest::Everybody => self.tree.visit(&mut visit),
            Interest::Leaves(leaves) => self.tree.visit_only(leaves, &mut visit),
        }
        grants
    }

    /// The part of what is left for the role that this framework could be offered if it did not refuse.
    fn offerable(
        &self,
        agent: &Agent,
        role: &Role,
        leaf: Ix<Node>,
        left: &Leftover,
    ) -> Option<(Ix<Framework>, Resources)> {
        let ix = self.framework_of(leaf)?;
        let framework = self.frameworks.get(ix)?;
        if rules::agent_excluded(&self.options, agent, framework, role).is_some() {
            return None;
        }
        let offerable = |resources: Resources, enough: bool| match framework.min_allocatable.get(role) {
            Some(minimums) => rules::is_enough(minimums, &resources).then_some((ix, resources)),
            None => enough.then_some((ix, resources)),
        };
        if left.plain {
            return offerable(left.resources.clone(), left.enough);
        }
        let usable = left.resources.filter(|resource| rules::missing_capability(framework, resource).is_none());
        let enough = rules::is_enough(&self.options.min_allocatable, &usable);
        offerable(usable, enough)
    }

    fn framework_of(&self, leaf: Ix<Node>) -> Option<Ix<Framework>> {
        match self.tree.get(leaf)?.kind {
            Kind::Leaf { framework, .. } => Some(framework),
            _ => None,
        }
    }

    fn allocation(&self, agent: Ix<Agent>, grant: Grant) -> Option<Allocation> {
        Some(Allocation {
            framework: self.frameworks.get(grant.framework)?.id.clone(),
            role: grant.role,
            agent: self.agents.get(agent)?.id.clone(),
            resources: grant.allocated,
        })
    }
}
