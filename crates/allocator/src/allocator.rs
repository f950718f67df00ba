//! The bookkeeping: every agent and framework, who holds what, and what became dirty.

use std::collections::BTreeSet;
use std::time::Duration;

use resources::{Quantities, Resource, Resources};
use rustc_hash::FxHashMap;
use vocabulary::{AgentId, FrameworkId, Monotonic, Role};

use crate::agent::Agent;
use crate::amounts::{Amounts, Cluster};
use crate::framework::{Framework, Membership, roles};
use crate::refusals::Refusals;
use crate::slab::{Ix, Slab};
use crate::tree::{Kind, Node, Tree};
use crate::{AgentOptions, FrameworkOptions, Options};

/// A role as the `/roles` endpoint shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleView {
    pub role: Role,
    pub weight: f64,
    /// Subscribed to the role or holding resources in it.
    pub frameworks: Vec<FrameworkId>,
    /// Offered or allocated to exactly this role.
    pub allocated: Quantities,
}

#[derive(Debug)]
pub struct Allocator {
    pub(crate) options: Options,
    pub(crate) agents: Slab<Agent>,
    pub(crate) frameworks: Slab<Framework>,
    /// For lookup only.
    pub(crate) agent_ids: FxHashMap<AgentId, Ix<Agent>>,
    pub(crate) framework_ids: FxHashMap<FrameworkId, Ix<Framework>>,
    pub(crate) tree: Tree,
    pub(crate) cluster: Cluster,
    pub(crate) refusals: Refusals,
    whitelist: Option<BTreeSet<String>>,
    /// Agents to look at in the next run; each once.
    pub(crate) dirty: Vec<Ix<Agent>>,
    pub(crate) all_dirty: bool,
}

impl Allocator {
    pub fn new(options: Options) -> Self {
        Allocator {
            cluster: Cluster::new(options.excluded_resource_names.clone()),
            options,
            agents: Slab::default(),
            frameworks: Slab::default(),
            agent_ids: FxHashMap::default(),
            framework_ids: FxHashMap::default(),
            tree: Tree::new(),
            refusals: Refusals::default(),
            whitelist: None,
            dirty: Vec::new(),
            all_dirty: false,
        }
    }

    /// `used` is what tasks and executors on a returning agent hold, with allocation roles.
    pub fn add_agent(&mut self, agent: AgentOptions<'_>, used: &[(FrameworkId, Resources)]) {
        self.remove_agent(agent.id);
        let mut entry = Agent::new(&agent);
        entry.whitelisted = self.is_whitelisted(&agent.info.hostname);
        let amounts = self.cluster.amounts(entry.total());
        self.cluster.grow(&amounts);
        let ix = self.agents.insert(entry);
        self.agent_ids.insert(agent.id.clone(), ix);
        for (framework, resources) in used {
            match self.framework_ids.get(framework) {
                Some(framework) => self.hold(ix, *framework, resources),
                None => {
                    if let Some(agent) = self.agents.get_mut(ix) {
                        agent.hold_unclaimed(framework.clone(), resources.clone());
                    }
                }
            }
        }
        self.mark_dirty(ix);
    }

    pub fn remove_agent(&mut self, agent: &AgentId) {
        let Some(ix) = self.agent_ids.remove(agent) else { return };
        let Some(entry) = self.agents.get(ix) else { return };
        for (framework, resources) in entry.held().to_vec() {
            self.release(ix, framework, &resources);
        }
        if let Some(entry) = self.agents.remove(ix) {
            let amounts = self.cluster.amounts(entry.total());
            self.cluster.shrink(&amounts);
        }
        self.refusals.forget_agent(ix);
        self.dirty.retain(|dirty| *dirty != ix);
    }

    /// New total, host name, attributes, domain or capabilities; `active` is not looked at. Frameworks that refused
    /// the agent may have done so for its attributes: when these change, refusals are forgotten.
    pub fn update_agent(&mut self, agent: AgentOptions<'_>) {
        let whitelisted = self.is_whitelisted(&agent.info.hostname);
        let Some(ix) = self.agent_ids.get(agent.id).copied() else { return };
        let Some(entry) = self.agents.get_mut(ix) else { return };
        entry.whitelisted = whitelisted;
        if entry.describe(&agent) {
            self.refusals.forget_agent(ix);
        }
        self.set_total(ix, agent.total);
        self.mark_dirty(ix);
    }

    pub fn activate_agent(&mut self, agent: &AgentId) {
        self.set_agent_active(agent, true);
    }

    pub fn deactivate_agent(&mut self, agent: &AgentId) {
        self.set_agent_active(agent, false);
    }

    fn set_agent_active(&mut self, agent: &AgentId, active: bool) {
        let Some(ix) = self.agent_ids.get(agent).copied() else { return };
        if let Some(agent) = self.agents.get_mut(ix) {
            agent.active = active;
        }
        if active {
            self.mark_dirty(ix);
        }
    }

    /// Only agents with these host names are offered; any when `None`.
    pub fn update_whitelist(&mut self, hostnames: Option<BTreeSet<String>>) {
        for (_, agent) in self.agents.iter_mut() {
            agent.whitelisted = hostnames.as_ref().is_none_or(|names| names.contains(&*agent.hostname));
        }
        self.whitelist = hostnames;
        self.all_dirty = true;
    }

    fn is_whitelisted(&self, hostname: &str) -> bool {
        self.whitelist.as_ref().is_none_or(|names| names.contains(hostname))
    }

    /// `used` is what it holds on agents that came before it.
    pub fn add_framework(&mut self, framework: FrameworkOptions<'_>, active: bool, used: &[(AgentId, Resources)]) {
        self.remove_framework(framework.id);
        let entry = Framework::new(framework.info, framework.id.clone(), active);
        let ix = self.frameworks.insert(entry);
        self.framework_ids.insert(framework.id.clone(), ix);
        self.subscribe(ix, roles(framework.info), framework.suppressed);
        for (agent, resources) in used {
            let Some(agent) = self.agent_ids.get(agent).copied() else { continue };
            if let Some(entry) = self.agents.get_mut(agent) {
                entry.claim(framework.id);
            }
            self.hold(agent, ix, resources);
        }
        self.wake_framework(ix);
    }

    /// Roles, capabilities, offer filters and suppressed roles are as given from now on.
    pub fn update_framework(&mut self, framework: FrameworkOptions<'_>) {
        let Some(ix) = self.framework_ids.get(framework.id).copied() else { return };
        if let Some(entry) = self.frameworks.get_mut(ix) {
            entry.describe(framework.info);
        }
        self.subscribe(ix, roles(framework.info), framework.suppressed);
        self.wake_framework(ix);
    }

    pub fn remove_framework(&mut self, framework: &FrameworkId) {
        let Some(ix) = self.framework_ids.remove(framework) else { return };
        let held: Vec<_> =
            self.agents.iter().filter_map(|(agent, entry)| Some((agent, entry.held_by(ix)?.clone()))).collect();
        for (agent, resources) in held {
            self.release(agent, ix, &resources);
            self.mark_dirty(agent);
        }
        let Some(entry) = self.frameworks.remove(ix) else { return };
        for membership in entry.roles.values() {
            self.refusals.forget_leaf(membership.leaf);
            self.tree.remove_leaf(membership.leaf);
        }
    }

    pub fn activate_framework(&mut self, framework: &FrameworkId) {
        let Some(ix) = self.framework_ids.get(framework).copied() else { return };
        if let Some(entry) = self.frameworks.get_mut(ix) {
            entry.active = true;
        }
        self.wake_framework(ix);
    }

    /// It keeps what it holds; its refusals are forgotten, since its successor may want what it did not.
    pub fn deactivate_framework(&mut self, framework: &FrameworkId) {
        let Some(ix) = self.framework_ids.get(framework).copied() else { return };
        let Some(entry) = self.frameworks.get_mut(ix) else { return };
        entry.active = false;
        for membership in entry.roles.values() {
            self.tree.deactivate(membership.leaf);
            self.refusals.forget_leaf(membership.leaf);
        }
    }

    /// All of its roles when `roles` is empty. False, and nothing happens, when it is not subscribed to one of them.
    pub fn suppress(&mut self, framework: &FrameworkId, roles: &[Role]) -> bool {
        let Some((_, chosen)) = self.choose(framework, roles, true) else { return false };
        for leaf in chosen {
            self.tree.deactivate(leaf);
        }
        true
    }

    /// As [`suppress`](Self::suppress); also forgets what the framework refused in these roles.
    pub fn revive(&mut self, framework: &FrameworkId, roles: &[Role]) -> bool {
        let Some((ix, chosen)) = self.choose(framework, roles, false) else { return false };
        for leaf in chosen {
            self.refusals.forget_leaf(leaf);
        }
        self.wake_framework(ix);
        true
    }

    /// The leaves of the named roles (of all when none is named), marked as suppressed or not.
    fn choose(
        &mut self,
        framework: &FrameworkId,
        roles: &[Role],
        suppressed: bool,
    ) -> Option<(Ix<Framework>, Vec<Ix<Node>>)> {
        let ix = *self.framework_ids.get(framework)?;
        let framework = self.frameworks.get_mut(ix)?;
        let subscribed = |role: &Role| framework.roles.get(role).is_some_and(|membership| membership.subscribed);
        if !roles.iter().all(subscribed) {
            return None;
        }
        let chosen = framework
            .roles
            .iter_mut()
            .filter(|(role, membership)| membership.subscribed && (roles.is_empty() || roles.contains(role)));
        let leaves = chosen.map(|(_, membership)| {
            membership.suppressed = suppressed;
            membership.leaf
        });
        Some((ix, leaves.collect()))
    }

    /// Resources come back: declined, unused, or freed by a terminal task. `refuse` keeps them from this framework
    /// for at least the allocation interval (a framework that refuses for no time must not be asked at once, again
    /// and again: Mesos waits for its next batch); `None` keeps nothing from it.
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
            if let Some(agent) = self.agents.get_mut(agent_ix) {
                agent.release_unclaimed(framework, resources);
            }
            self.mark_dirty(agent_ix);
            return;
        };
        if let Some(refuse) = refuse.map(|refuse| refuse.max(self.options.allocation_interval)) {
            self.refuse(agent_ix, ix, resources, now + refuse);
        }
        self.release(agent_ix, ix, resources);
        self.mark_dirty(agent_ix);
    }

    fn refuse(&mut self, agent: Ix<Agent>, framework: Ix<Framework>, resources: &Resources, until: Monotonic) {
        for role in resources.allocation_roles() {
            let Some(membership) = self.frameworks.get(framework).and_then(|entry| entry.roles.get(&role)) else {
                continue;
            };
            if membership.subscribed {
                let refused = resources.allocated_to(role.as_str()).unallocated();
                self.refusals.add(agent, membership.leaf, refused, until);
            }
        }
    }

    /// An operation turned what was allocated into something else, and with it the agent's total. Further copies of a
    /// shared volume, which a launch takes, are no part of the total.
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
        total.extend(produced.iter().filter(|new| !(new.is_shared() && entry.total().contains_resource(new))).cloned());
        self.release(agent_ix, ix, offered);
        self.set_total(agent_ix, total);
        self.hold(agent_ix, ix, converted);
    }

    pub fn set_weight(&mut self, role: &Role, weight: f64) {
        self.tree.set_weight(role, weight);
    }

    /// When to call [`allocate`](Self::allocate): a moment that has passed when something is dirty, otherwise when
    /// the next refusal ends; never when `None`.
    pub fn next_wakeup(&self) -> Option<Monotonic> {
        if self.is_dirty() { Some(Monotonic::default()) } else { self.refusals.next_deadline() }
    }

    pub fn is_dirty(&self) -> bool {
        self.all_dirty || !self.dirty.is_empty()
    }

    /// How many refusals are in force (frameworks × roles × agents).
    pub fn active_refusals(&self) -> usize {
        self.refusals.len()
    }

    /// What is neither offered nor allocated on an agent.
    pub fn available(&self, agent: &AgentId) -> Option<&Resources> {
        Some(self.agents.get(*self.agent_ids.get(agent)?)?.available())
    }

    /// Each role with a framework in it, by name.
    pub fn roles(&self) -> impl Iterator<Item = RoleView> + '_ {
        self.tree.roles().into_iter().map(|(role, own)| RoleView {
            role: role.clone(),
            weight: self.tree.weight(role),
            frameworks: own.children.values().filter_map(|leaf| self.framework_id(*leaf)).collect(),
            allocated: self.cluster.quantities(&own.allocated),
        })
    }

    fn framework_id(&self, leaf: Ix<Node>) -> Option<FrameworkId> {
        match self.tree.get(leaf)?.kind {
            Kind::Leaf { framework, .. } => Some(self.frameworks.get(framework)?.id.clone()),
            _ => None,
        }
    }
}

/// What follows from the above.
impl Allocator {
    pub(crate) fn mark_dirty(&mut self, ix: Ix<Agent>) {
        if let Some(agent) = self.agents.get_mut(ix).filter(|agent| !agent.dirty) {
            agent.dirty = true;
            self.dirty.push(ix);
        }
    }

    /// Brings the leaves of a framework in line with what it wants, and lets it see every agent.
    fn wake_framework(&mut self, ix: Ix<Framework>) {
        let Some(framework) = self.frameworks.get(ix) else { return };
        let mut wants = false;
        for membership in framework.roles.values() {
            if framework.active && membership.subscribed && !membership.suppressed {
                self.tree.activate(membership.leaf);
                wants = true;
            } else {
                self.tree.deactivate(membership.leaf);
            }
        }
        self.all_dirty |= wants;
    }

    /// Roles it left are kept as long as it holds resources in them.
    fn subscribe(&mut self, ix: Ix<Framework>, roles: Vec<Role>, suppressed: &[Role]) {
        let Some(framework) = self.frameworks.get(ix) else { return };
        let left: Vec<Role> = framework.roles.keys().filter(|role| !roles.contains(role)).cloned().collect();
        for role in left {
            self.unsubscribe(ix, &role);
        }
        for role in roles {
            let suppressed = suppressed.contains(&role);
            let Some(membership) = self.membership(ix, &role) else { continue };
            let revived = membership.suppressed && !suppressed;
            membership.subscribed = true;
            membership.suppressed = suppressed;
            let leaf = membership.leaf;
            if revived {
                self.refusals.forget_leaf(leaf);
            }
        }
    }

    fn unsubscribe(&mut self, ix: Ix<Framework>, role: &Role) {
        let Some(membership) = self.membership(ix, role) else { return };
        membership.subscribed = false;
        membership.suppressed = false;
        let leaf = membership.leaf;
        self.tree.deactivate(leaf);
        self.refusals.forget_leaf(leaf);
        self.drop_membership_if_unused(ix, role);
    }

    /// A new membership is one of a role the framework only holds resources in.
    fn membership(&mut self, ix: Ix<Framework>, role: &Role) -> Option<&mut Membership> {
        let framework = self.frameworks.get_mut(ix)?;
        if !framework.roles.contains_key(role) {
            let leaf = self.tree.add_leaf(role, ix, &framework.id);
            let membership = Membership { leaf, subscribed: false, suppressed: false, agents: 0 };
            framework.roles.insert(role.clone(), membership);
        }
        framework.roles.get_mut(role)
    }

    fn drop_membership_if_unused(&mut self, ix: Ix<Framework>, role: &Role) {
        let Some(framework) = self.frameworks.get_mut(ix) else { return };
        let Some(membership) = framework.roles.get(role) else { return };
        if !membership.subscribed && membership.agents == 0 {
            let leaf = membership.leaf;
            framework.roles.remove(role);
            self.tree.remove_leaf(leaf);
        }
    }

    fn set_total(&mut self, ix: Ix<Agent>, total: Resources) {
        let Some(agent) = self.agents.get_mut(ix) else { return };
        let (old, new) = (self.cluster.amounts(agent.total()), self.cluster.amounts(&total));
        agent.set_total(total);
        if old != new {
            self.cluster.shrink(&old);
            self.cluster.grow(&new);
        }
    }

    /// Allocated resources are now held by the framework, and counted in each of their roles.
    pub(crate) fn hold(&mut self, agent: Ix<Agent>, framework: Ix<Framework>, resources: &Resources) {
        for role in resources.allocation_roles() {
            let part = resources.allocated_to(role.as_str());
            self.hold_in_role(agent, framework, &role, &part, &part.unallocated());
        }
    }

    /// `resources` are allocated to `role`, and the same as `unallocated`.
    pub(crate) fn hold_in_role(
        &mut self,
        agent: Ix<Agent>,
        framework: Ix<Framework>,
        role: &Role,
        resources: &Resources,
        unallocated: &Resources,
    ) {
        let first = !self.holds_in_role(agent, framework, role);
        let Some(membership) = self.membership(framework, role) else { return };
        membership.agents += usize::from(first);
        let leaf = membership.leaf;
        let weight = self.weigh(agent, unallocated);
        self.tree.update_path(leaf, &self.cluster, |node| {
            node.count += 1;
            node.allocated.add(&weight.exclusive);
            weight.shared_in(node).into_iter().for_each(|amounts| node.allocated.add(amounts));
        });
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.hold(framework, resources, unallocated);
        }
    }

    /// The reverse of [`hold`](Self::hold), for as much of it as is really held.
    pub(crate) fn release(&mut self, agent: Ix<Agent>, framework: Ix<Framework>, resources: &Resources) {
        let Some(entry) = self.agents.get_mut(agent) else { return };
        let released = entry.release(framework, resources);
        for role in released.allocation_roles() {
            let part = released.allocated_to(role.as_str());
            let last = !self.holds_in_role(agent, framework, &role);
            let Some(membership) = self.membership(framework, &role) else { return };
            membership.agents = membership.agents.saturating_sub(usize::from(last));
            let leaf = membership.leaf;
            let weight = self.weigh(agent, &part);
            self.tree.update_path(leaf, &self.cluster, |node| {
                node.allocated.subtract(&weight.exclusive);
                weight.shared_in(node).into_iter().for_each(|amounts| node.allocated.subtract(amounts));
            });
            self.drop_membership_if_unused(framework, &role);
        }
    }

    fn holds_in_role(&self, agent: Ix<Agent>, framework: Ix<Framework>, role: &Role) -> bool {
        let held = self.agents.get(agent).and_then(|agent| agent.held_by(framework));
        held.is_some_and(|held| held.iter().any(|resource| resource.allocation_role() == Some(role)))
    }

    /// What `resources` count for: a shared one only once per agent in each part of the tree, so it depends on who
    /// else holds it there.
    fn weigh(&mut self, agent: Ix<Agent>, resources: &Resources) -> Weight {
        let shared = resources.shared();
        if shared.is_empty() {
            return Weight { exclusive: self.cluster.amounts(resources), shared: Vec::new() };
        }
        let exclusive = self.cluster.amounts(&resources.non_shared());
        let shared = shared
            .iter()
            .map(|resource| {
                let amounts = self.cluster.amounts(&resource.clone().into());
                (amounts, self.holders(agent, resource))
            })
            .collect();
        Weight { exclusive, shared }
    }

    fn holders(&self, agent: Ix<Agent>, shared: &Resource) -> Vec<(Ix<Framework>, Role)> {
        let held = self.agents.get(agent).map(Agent::held).unwrap_or_default();
        let same = |resource: &Resource| resource.is_shared() && resource.is_same_but_for_allocation(shared);
        held.iter()
            .flat_map(|(framework, resources)| resources.iter().map(|resource| (*framework, resource)))
            .filter(|(_, resource)| same(resource))
            .filter_map(|(framework, resource)| Some((framework, resource.allocation_role()?.clone())))
            .collect()
    }
}

struct Weight {
    exclusive: Amounts,
    /// Each shared resource with those that hold it besides the change being made.
    shared: Vec<(Amounts, Vec<(Ix<Framework>, Role)>)>,
}

impl Weight {
    /// The shared resources that nobody else below `node` holds on that agent.
    fn shared_in(&self, node: &Node) -> Vec<&Amounts> {
        let alone =
            |holders: &[(Ix<Framework>, Role)]| !holders.iter().any(|(framework, role)| node.covers(*framework, role));
        self.shared.iter().filter(|(_, holders)| alone(holders)).map(|(amounts, _)| amounts).collect()
    }
}
