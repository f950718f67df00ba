//! One allocation run: the dirty agents are visited in random order, and each is allocated in the order of the sorters.
//!
//! As in Mesos, the order of roles and frameworks is fixed during the visit of an agent; the allocations of a visit
//! count in the order for the next one.

use std::collections::BTreeSet;

use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::Resources;
use rustc_hash::FxHashMap;

use crate::agent::Agent;
use crate::agent_visit::{AgentVisit, Grant, Stage};
use crate::allocator::Allocator;
use crate::amounts::counts_for_quota;
use crate::dirty::Recipients;
use crate::quota::{DirtyRoles, Ledger};
use crate::slab::Ix;
use crate::tree::Node;

/// One offer to make: `resources` are allocated to `role`.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    /// The framework that is offered the resources.
    pub framework: FrameworkId,
    /// The role that they are allocated to.
    pub role: Role,
    /// The agent that they are on.
    pub agent: AgentId,
    /// The resources, allocated to the role.
    pub resources: Resources,
}

impl Allocator {
    /// Visits the dirty agents, including those with expired offer filters, and returns the offers to make in the order
    /// in which they were allocated. Returns nothing during the pause after a failover.
    pub fn allocate(&mut self, now: Monotonic) -> Vec<Allocation> {
        if self.is_paused(now) {
            return Vec::new();
        }
        for (agent, leaf) in self.offer_filters.expire(now) {
            self.dirty.leaf_on(agent, leaf);
        }
        self.tree.sort(&self.cluster);
        self.mark_headroom_agents_dirty();
        let mut candidates = self.candidates();
        let mut grants = Vec::new();
        // Visits enter their grants in the ledger at once; the rest of the allocator does not change during a visit.
        let mut ledger = std::mem::take(&mut self.ledger);
        if ledger.has_shortfall() {
            self.allocate_guarantees(&mut ledger, &candidates, &mut grants);
            self.shuffle(&mut candidates);
        }
        let first = grants.len();
        self.allocate_fair_share(&mut ledger, &candidates, &mut grants);
        self.ledger = ledger;
        self.headroom_agents.record_surplus(&self.ledger);
        self.allocations(first, grants)
    }

    /// Returns the dirty agents with available resources, shuffled, and marks them as clean.
    fn candidates(&mut self) -> Vec<(Ix<Agent>, Recipients)> {
        let mut candidates = self.dirty.take(self.agents.iter().map(|(ix, _)| ix));
        candidates.retain(|(ix, _)| self.agents.get(*ix).is_some_and(Agent::is_offerable));
        self.shuffle(&mut candidates);
        candidates
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.options.random.below(last as u64 + 1) as usize);
        }
    }

    /// Marks the agents with withheld resources as dirty for the roles whose allowance has grown.
    fn mark_headroom_agents_dirty(&mut self) {
        match self.headroom_agents.take_dirty_roles(&mut self.ledger) {
            DirtyRoles::None => {}
            DirtyRoles::All => self.headroom_agents.iter().for_each(|agent| self.dirty.agent(agent)),
            DirtyRoles::Some(accounts) => {
                let roles: Vec<&Role> = accounts.iter().filter_map(|account| self.ledger.role(*account)).collect();
                let leaves: BTreeSet<Ix<Node>> = roles.into_iter().flat_map(|role| self.tree.leaves(role)).collect();
                for agent in self.headroom_agents.iter() {
                    leaves.iter().for_each(|leaf| self.dirty.leaf_on(agent, *leaf));
                }
            }
        }
    }

    /// First stage: allocates to roles with unsatisfied guarantees, the highest priority first.
    fn allocate_guarantees(
        &mut self,
        ledger: &mut Ledger,
        candidates: &[(Ix<Agent>, Recipients)],
        grants: &mut Vec<(Ix<Agent>, Grant)>,
    ) {
        for (ix, recipients) in candidates {
            if !ledger.has_shortfall() {
                return;
            }
            self.tree.reshuffle(&mut self.options.random);
            let Some(agent) = self.agents.get(*ix) else { continue };
            let mut visit = AgentVisit::new(self, ledger, *ix, agent, agent.available().clone());
            for priority in visit.ledger.shortfall_priorities() {
                visit.stage = Stage::Guarantees(priority);
                recipients.visit(&mut visit);
            }
            let granted = visit.grants;
            self.track_grants(*ix, granted, grants);
        }
    }

    /// Second stage: allocates the resources that are not needed as headroom for guarantees, in the order of shares.
    fn allocate_fair_share(
        &mut self,
        ledger: &mut Ledger,
        candidates: &[(Ix<Agent>, Recipients)],
        grants: &mut Vec<(Ix<Agent>, Grant)>,
    ) {
        let shared = given_shared(grants);
        for (ix, recipients) in candidates {
            self.tree.reshuffle(&mut self.options.random);
            let Some(agent) = self.agents.get(*ix) else { continue };
            let left = match shared.get(ix) {
                Some(given) => agent.available() - given,
                None => agent.available().clone(),
            };
            if left.is_empty() {
                self.headroom_agents.remove(*ix);
                continue;
            }
            let mut visit = AgentVisit::new(self, ledger, *ix, agent, left);
            if visit.is_all_needed_for_guarantees() {
                visit.quota_withheld = true;
            } else {
                recipients.visit(&mut visit);
            }
            let keeps = visit.quota_withheld && visit.left.iter().any(counts_for_quota);
            let granted = visit.grants;
            if keeps {
                self.headroom_agents.insert(*ix);
            } else if matches!(recipients, Recipients::All) {
                self.headroom_agents.remove(*ix);
            }
            self.track_grants(*ix, granted, grants);
        }
    }

    fn track_grants(&mut self, agent: Ix<Agent>, granted: Vec<Grant>, grants: &mut Vec<(Ix<Agent>, Grant)>) {
        for grant in granted {
            self.track_allocated_in_role(agent, grant.framework, &grant.role, &grant.allocated, &grant.resources);
            grants.push((agent, grant));
        }
    }

    /// Turns grants into allocations. The first `first` grants are of the first stage; grants of both stages to the
    /// same framework and role on the same agent become one allocation.
    fn allocations(&self, first: usize, grants: Vec<(Ix<Agent>, Grant)>) -> Vec<Allocation> {
        let key = |agent: Ix<Agent>, grant: &Grant| (agent, grant.framework, grant.role.clone());
        let places: FxHashMap<_, usize> =
            grants.iter().take(first).enumerate().map(|(place, (agent, grant))| (key(*agent, grant), place)).collect();
        let mut allocations: Vec<Allocation> = Vec::with_capacity(grants.len());
        for (at, (agent, grant)) in grants.into_iter().enumerate() {
            let place = if at < first || first == 0 { None } else { places.get(&key(agent, &grant)) };
            match place.and_then(|place| allocations.get_mut(*place)) {
                Some(allocation) => allocation.resources += grant.allocated,
                None => allocations.extend(self.allocation(agent, grant)),
            }
        }
        allocations
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

impl Recipients {
    fn visit(&self, visit: &mut AgentVisit<'_>) {
        let tree = &visit.allocator.tree;
        match self {
            Recipients::All => tree.visit(visit),
            Recipients::Leaves(leaves) => tree.visit_only(leaves, visit),
        }
    }
}

/// Returns the shared resources that the first stage allocated on each agent. They stay available, but are offered to
/// one framework per run.
fn given_shared(grants: &[(Ix<Agent>, Grant)]) -> FxHashMap<Ix<Agent>, Resources> {
    let mut given: FxHashMap<Ix<Agent>, Resources> = FxHashMap::default();
    for (agent, grant) in grants {
        let shared = grant.resources.shared();
        if !shared.is_empty() {
            *given.entry(*agent).or_default() += shared;
        }
    }
    given
}
