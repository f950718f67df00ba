//! Tracking of allocations: resources are allocated, recovered and converted.

use std::time::Duration;

use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::{Conversion, Resource, Resources};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::amounts::Amounts;
use crate::framework::Framework;
use crate::slab::Ix;
use crate::tree::Node;

impl Allocator {
    /// Recovers resources that were declined, not used, or freed by a terminal task. `refuse` adds an offer filter
    /// for the framework that lasts at least the allocation interval, so that a framework that declines for no time
    /// is not offered the same again at once (Mesos waits for its next batch); `None` adds no filter.
    pub fn recover(
        &mut self,
        now: Monotonic,
        framework: &FrameworkId,
        agent: &AgentId,
        resources: &Resources,
        refuse: Option<Duration>,
    ) {
        let Some(agent_ix) = self.agent_ids.get(agent).copied() else { return };
        let Some(ix) = self.framework_ids.get(framework).copied() else {
            let agent = self.agents.get_mut(agent_ix);
            let released = agent.map(|agent| agent.unallocate_unclaimed(framework, resources)).unwrap_or_default();
            self.untrack_unclaimed(&released);
            self.track_excess(agent_ix);
            self.dirty.agent(agent_ix);
            return;
        };
        if let Some(refuse) = refuse.map(|refuse| refuse.max(self.options.allocation_interval)) {
            self.add_offer_filter(agent_ix, ix, resources, now + refuse);
        }
        self.untrack_allocated(agent_ix, ix, resources);
        self.dirty.agent(agent_ix);
    }

    fn add_offer_filter(
        &mut self,
        agent: Ix<Agent>,
        framework: Ix<Framework>,
        resources: &Resources,
        until: Monotonic,
    ) {
        for role in resources.allocation_roles() {
            let Some(membership) = self.frameworks.get(framework).and_then(|entry| entry.roles.get(&role)) else {
                continue;
            };
            if membership.subscribed {
                let refused = resources.allocated_to(role.as_str()).unallocated();
                self.offer_filters.add(agent, membership.leaf, &role, refused, until);
            }
        }
    }

    /// Replaces `offered` by `converted`, the result of operations, in the allocation of a framework and in the total
    /// of the agent. Further copies of a shared volume, which launches take, are not part of the total.
    pub fn update_allocation(
        &mut self,
        framework: &FrameworkId,
        agent: &AgentId,
        offered: &Resources,
        converted: &Resources,
    ) {
        let Some(agent_ix) = self.agent_ids.get(agent).copied() else { return };
        let Some(ix) = self.framework_ids.get(framework).copied() else { return };
        let Some(entry) = self.agents.get(agent_ix) else { return };
        let consumed = (offered - converted).unallocated();
        let produced = (converted - offered).unallocated();
        let mut total = entry.total() - &consumed;
        // The total contains a shared volume once, however many copies are allocated.
        let new = produced.iter().map(|new| if new.is_shared() { new.single_copy() } else { new.clone() });
        total.extend(new.filter(|new| !(new.is_shared() && entry.total().contains_resource(new))));
        self.untrack_allocated(agent_ix, ix, offered);
        self.set_total(agent_ix, total);
        self.track_allocated(agent_ix, ix, converted);
    }

    /// Applies an operator's operation to the available resources of an agent.
    ///
    /// # Errors
    ///
    /// Returns an error if the available resources do not contain those that the operation consumes.
    pub fn update_available(&mut self, agent: &AgentId, steps: &[Conversion]) -> Result<(), resources::Error> {
        let Some(ix) = self.agent_ids.get(agent).copied() else { return Ok(()) };
        let Some(entry) = self.agents.get(ix) else { return Ok(()) };
        entry.available().apply_all(steps)?;
        let total = entry.total().apply_all(steps)?;
        self.set_total(ix, total);
        self.dirty.agent(ix);
        Ok(())
    }

    /// Tracks resources as allocated to a framework, in each of their roles.
    pub(crate) fn track_allocated(&mut self, agent: Ix<Agent>, framework: Ix<Framework>, resources: &Resources) {
        for role in resources.allocation_roles() {
            let part = resources.allocated_to(role.as_str());
            self.track_allocated_in_role(agent, framework, &role, &part, &part.unallocated());
            self.track_quota_used(framework, &role, &part);
        }
        self.track_excess(agent);
    }

    /// Tracks resources as allocated to a framework in one role. `unallocated` are the same resources without
    /// allocation. The caller tracks quota.
    pub(crate) fn track_allocated_in_role(
        &mut self,
        agent: Ix<Agent>,
        framework: Ix<Framework>,
        role: &Role,
        resources: &Resources,
        unallocated: &Resources,
    ) {
        let first = !self.has_allocated_in_role(agent, framework, role);
        let Some(membership) = self.membership(framework, role) else { return };
        membership.agents += usize::from(first);
        let leaf = membership.leaf;
        self.windows.mark_dirty(agent);
        let counted = self.count_amounts(agent, unallocated);
        self.tree.update_path(leaf, &self.cluster, |node| {
            node.count += 1;
            node.allocated.add(&counted.exclusive);
            counted.shared_in(node).into_iter().for_each(|amounts| node.allocated.add(amounts));
        });
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.allocate(framework, resources, unallocated);
        }
    }

    /// Reverses [`track_allocated`](Self::track_allocated) for the part of `resources` that is allocated to the
    /// framework.
    pub(crate) fn untrack_allocated(&mut self, agent: Ix<Agent>, framework: Ix<Framework>, resources: &Resources) {
        let Some(entry) = self.agents.get_mut(agent) else { return };
        let released = entry.unallocate(framework, resources);
        for role in released.allocation_roles() {
            let part = released.allocated_to(role.as_str());
            let last = !self.has_allocated_in_role(agent, framework, &role);
            let Some(membership) = self.membership(framework, &role) else { return };
            membership.agents = membership.agents.saturating_sub(usize::from(last));
            let leaf = membership.leaf;
            let counted = self.count_amounts(agent, &part);
            self.tree.update_path(leaf, &self.cluster, |node| {
                node.allocated.subtract(&counted.exclusive);
                counted.shared_in(node).into_iter().for_each(|amounts| node.allocated.subtract(amounts));
            });
            self.untrack_quota_used(framework, &role, &part);
            self.drop_membership_if_unused(framework, &role);
        }
        self.track_excess(agent);
    }

    fn has_allocated_in_role(&self, agent: Ix<Agent>, framework: Ix<Framework>, role: &Role) -> bool {
        let held = self.agents.get(agent).and_then(|agent| agent.allocated_to_framework(framework));
        held.is_some_and(|held| held.iter().any(|resource| resource.allocation_role() == Some(role)))
    }

    /// Returns the amounts that `resources` add to the nodes of the tree. A shared resource counts once per agent in
    /// each subtree, so its amounts depend on the other frameworks that it is allocated to.
    fn count_amounts(&mut self, agent: Ix<Agent>, resources: &Resources) -> CountedAmounts {
        let shared = resources.shared();
        if shared.is_empty() {
            return CountedAmounts { exclusive: self.cluster.amounts(resources), shared: Vec::new() };
        }
        let exclusive = self.cluster.amounts(&resources.non_shared());
        let shared = shared
            .iter()
            .map(|resource| {
                let amounts = self.cluster.amounts(&resource.clone().into());
                (amounts, self.holders(agent, resource))
            })
            .collect();
        CountedAmounts { exclusive, shared }
    }

    fn holders(&self, agent: Ix<Agent>, shared: &Resource) -> Holders {
        let held = self.agents.get(agent).map(Agent::allocated).unwrap_or_default();
        let same = |resource: &Resource| resource.is_shared() && resource.is_same_but_for_allocation(shared);
        held.iter()
            .flat_map(|(framework, resources)| resources.iter().map(|resource| (*framework, resource)))
            .filter(|(_, resource)| same(resource))
            .filter_map(|(framework, resource)| Some((framework, resource.allocation_role()?.clone())))
            .collect()
    }
}

type Holders = Vec<(Ix<Framework>, Role)>;

/// The amounts of a change of allocations.
struct CountedAmounts {
    exclusive: Amounts,
    /// Each shared resource with the frameworks that it is allocated to apart from this change.
    shared: Vec<(Amounts, Holders)>,
}

impl CountedAmounts {
    /// Returns the shared resources that are allocated to no other framework below `node` on the agent.
    fn shared_in(&self, node: &Node) -> Vec<&Amounts> {
        let alone =
            |holders: &[(Ix<Framework>, Role)]| !holders.iter().any(|(framework, role)| node.covers(*framework, role));
        self.shared.iter().filter(|(_, holders)| alone(holders)).map(|(amounts, _)| amounts).collect()
    }
}
