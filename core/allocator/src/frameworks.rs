//! Adding, updating and removing frameworks.

use std::sync::Arc;

use model::{AgentId, FrameworkId, Role};
use resources::Resources;

use crate::allocator::Allocator;
use crate::framework::{Framework, Membership, roles};
use crate::slab::Ix;
use crate::tree::Node;
use crate::{FrameworkOptions, OfferConstraintsFilter};

impl Allocator {
    /// Adds a framework. `used` are its allocations on agents that were added before it; the allocations that the
    /// agents reported themselves ([`add_agent`]) take precedence.
    ///
    /// [`add_agent`]: Self::add_agent
    pub fn add_framework(&mut self, framework: FrameworkOptions<'_>, active: bool, used: &[(AgentId, Resources)]) {
        self.remove_framework(framework.id);
        let entry = Framework::new(framework.info, framework.id.clone(), active);
        let ix = self.frameworks.insert(entry);
        self.framework_ids.insert(framework.id.clone(), ix);
        self.subscribe(ix, roles(framework.info), framework.suppressed);
        self.set_constraints(ix, framework.constraints);
        let claimed: Vec<_> =
            self.agents.iter_mut().filter_map(|(agent, entry)| Some((agent, entry.claim(framework.id)?))).collect();
        for (agent, resources) in used {
            let Some(agent) = self.agent_ids.get(agent).copied() else { continue };
            if !claimed.iter().any(|(known, _)| *known == agent) {
                self.track_allocated(agent, ix, resources);
            }
        }
        for (agent, resources) in claimed {
            self.untrack_unclaimed(&resources);
            self.track_allocated(agent, ix, &resources);
        }
        self.refresh_framework(ix);
    }

    /// Replaces roles, capabilities, minimums of offers, suppressed roles and offer constraints.
    pub fn update_framework(&mut self, framework: FrameworkOptions<'_>) {
        let Some(ix) = self.framework_ids.get(framework.id).copied() else { return };
        if let Some(entry) = self.frameworks.get_mut(ix) {
            entry.update_info(framework.info);
        }
        self.clear_constraints(ix);
        self.subscribe(ix, roles(framework.info), framework.suppressed);
        self.set_constraints(ix, framework.constraints);
        self.refresh_framework(ix);
    }

    /// Removes a framework. Its allocated resources become available again.
    pub fn remove_framework(&mut self, framework: &FrameworkId) {
        let Some(ix) = self.framework_ids.remove(framework) else { return };
        let held: Vec<_> = self
            .agents
            .iter()
            .filter_map(|(agent, entry)| Some((agent, entry.allocated_to_framework(ix)?.clone())))
            .collect();
        for (agent, resources) in held {
            self.untrack_allocated(agent, ix, &resources);
            self.dirty.agent(agent);
        }
        self.windows.forget_framework(ix);
        self.clear_constraints(ix);
        let Some(entry) = self.frameworks.remove(ix) else { return };
        for membership in entry.roles.values() {
            self.offer_filters.forget_leaf(membership.leaf);
            self.tree.remove_leaf(&mut self.ledger, membership.leaf);
        }
        self.refresh_lending();
    }

    /// Lets a framework be offered resources.
    pub fn activate_framework(&mut self, framework: &FrameworkId) {
        let Some(ix) = self.framework_ids.get(framework).copied() else { return };
        if let Some(entry) = self.frameworks.get_mut(ix) {
            entry.active = true;
        }
        self.refresh_framework(ix);
    }

    /// Stops offers to a framework. Its allocations stay; its offer filters are removed, since the next scheduler of
    /// the framework may want what this one declined.
    pub fn deactivate_framework(&mut self, framework: &FrameworkId) {
        let Some(ix) = self.framework_ids.get(framework).copied() else { return };
        let Some(entry) = self.frameworks.get_mut(ix) else { return };
        entry.active = false;
        for membership in entry.roles.values() {
            self.tree.deactivate(membership.leaf);
            self.offer_filters.forget_leaf(membership.leaf);
        }
        self.windows.forget_filters_of(ix);
        self.refresh_lending();
    }

    /// Suppresses offers in `roles`, or in all roles of the framework if `roles` is empty. Returns false, and changes
    /// nothing, if the framework is not subscribed to one of the roles.
    pub fn suppress(&mut self, framework: &FrameworkId, roles: &[Role]) -> bool {
        let Some((_, chosen)) = self.mark_suppressed(framework, roles, true) else { return false };
        for leaf in chosen {
            self.tree.deactivate(leaf);
        }
        self.refresh_lending();
        true
    }

    /// Reverses [`suppress`](Self::suppress), with the same result, and removes the offer filters of the framework in
    /// these roles.
    pub fn revive(&mut self, framework: &FrameworkId, roles: &[Role]) -> bool {
        let Some((ix, chosen)) = self.mark_suppressed(framework, roles, false) else { return false };
        for leaf in chosen {
            self.offer_filters.forget_leaf(leaf);
        }
        self.windows.forget_filters_of(ix);
        self.refresh_framework(ix);
        true
    }

    /// Marks the named roles, or all roles if none is named, as suppressed or not, and returns their leaves.
    fn mark_suppressed(
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

    /// Activates the leaves in which a framework wants offers, deactivates the others, and marks the framework as
    /// dirty.
    fn refresh_framework(&mut self, ix: Ix<Framework>) {
        self.windows.mark_all_dirty();
        let Some(framework) = self.frameworks.get(ix) else { return };
        for membership in framework.roles.values() {
            if framework.active && membership.subscribed && !membership.suppressed {
                self.tree.activate(membership.leaf);
                self.dirty.leaf(membership.leaf);
            } else {
                self.tree.deactivate(membership.leaf);
            }
        }
        self.refresh_lending();
    }

    /// Sets the offer constraints. The master has refused constraints of roles that the framework is not subscribed to.
    fn set_constraints(&mut self, ix: Ix<Framework>, constraints: Option<&Arc<OfferConstraintsFilter>>) {
        let (Some(framework), Some(constraints)) = (self.frameworks.get(ix), constraints) else { return };
        for role in constraints.roles() {
            let Some(membership) = framework.roles.get(role).filter(|membership| membership.subscribed) else {
                continue;
            };
            let attributes = self.agents.iter().map(|(agent, entry)| (agent, &entry.attributes));
            self.exclusions.set(membership.leaf, role, constraints, attributes);
        }
    }

    fn clear_constraints(&mut self, ix: Ix<Framework>) {
        let Some(framework) = self.frameworks.get(ix) else { return };
        for membership in framework.roles.values() {
            self.exclusions.forget_leaf(membership.leaf);
        }
    }

    /// Sets the roles of a framework. Roles that it leaves are kept as long as resources are allocated in them.
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
                self.offer_filters.forget_leaf(leaf);
            }
        }
    }

    fn unsubscribe(&mut self, ix: Ix<Framework>, role: &Role) {
        let Some(membership) = self.membership(ix, role) else { return };
        membership.subscribed = false;
        membership.suppressed = false;
        let leaf = membership.leaf;
        self.tree.deactivate(leaf);
        self.offer_filters.forget_leaf(leaf);
        self.drop_membership_if_unused(ix, role);
    }

    /// Returns the membership of a framework in a role. A new membership is not subscribed.
    pub(crate) fn membership(&mut self, ix: Ix<Framework>, role: &Role) -> Option<&mut Membership> {
        let framework = self.frameworks.get_mut(ix)?;
        if !framework.roles.contains_key(role) {
            let leaf = self.tree.add_leaf(&mut self.ledger, role, ix, &framework.id);
            let membership = Membership { leaf, subscribed: false, suppressed: false, agents: 0 };
            framework.roles.insert(role.clone(), membership);
        }
        framework.roles.get_mut(role)
    }

    pub(crate) fn drop_membership_if_unused(&mut self, ix: Ix<Framework>, role: &Role) {
        let Some(framework) = self.frameworks.get_mut(ix) else { return };
        let Some(membership) = framework.roles.get(role) else { return };
        if !membership.subscribed && membership.agents == 0 {
            let leaf = membership.leaf;
            framework.roles.remove(role);
            self.tree.remove_leaf(&mut self.ledger, leaf);
        }
    }
}
