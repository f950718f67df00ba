//! Setting and showing quota, and keeping the ledger up to date with allocations and totals.

use std::collections::BTreeSet;

use model::Role;
use resources::{ResourceQuantities, Resources};

use crate::Quota;
use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::framework::Framework;
use crate::quota::{Account, EffectiveQuota};
use crate::slab::Ix;

/// A role that has quota or consumes resources that count for it.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaView {
    /// The role.
    pub role: Role,
    /// The guarantees and limits of the role; the default for a role that only uses resources.
    pub quota: Quota,
    /// The resources that are offered or allocated to the role and the roles below it and are neither reserved nor
    /// revocable, and all resources that are reserved for these roles. Mesos' `consumed` is the same without offers.
    pub used: ResourceQuantities,
}

impl Allocator {
    /// Replaces the quota of a role. Allocations that exceed it stay. A partition of the role takes precedence. The
    /// caller checks first, with [`check_quotas`], whether the quota fits.
    ///
    /// [`check_quotas`]: crate::check_quotas
    pub fn set_quota(&mut self, role: &Role, quota: Quota) {
        if quota.is_default() {
            self.quotas.remove(role);
        } else {
            self.quotas.insert(role.clone(), quota);
        }
        self.apply_quota(role);
    }

    /// Removes the guarantees and limits of a role.
    pub fn remove_quota(&mut self, role: &Role) {
        self.set_quota(role, Quota::default());
    }

    /// Returns the quota of a role; `None` without guarantees and limits.
    pub fn quota(&self, role: &Role) -> Option<&Quota> {
        self.quotas.get(role)
    }

    /// Iterates over the roles that have quota or consume resources that count for it, by name.
    pub fn quotas(&self) -> impl Iterator<Item = QuotaView> + '_ {
        let roles: BTreeSet<&Role> = self.quotas.keys().chain(self.ledger.roles()).collect();
        roles.into_iter().map(|role| QuotaView {
            role: role.clone(),
            quota: self.quotas.get(role).cloned().unwrap_or_default(),
            used: self.quota_used(role),
        })
    }

    /// Returns [`QuotaView::used`] of a role.
    pub fn quota_used(&self, role: &Role) -> ResourceQuantities {
        self.cluster.quantities(&self.ledger.used(role))
    }

    /// Enters the partition of a role, or otherwise its quota, in the ledger.
    pub(crate) fn apply_quota(&mut self, role: &Role) {
        let partition = self.partitions.of_role(role);
        let in_force = partition.map(|partition| &partition.quota).or_else(|| self.quotas.get(role));
        let quota = in_force.map(|quota| EffectiveQuota {
            guarantees: self.cluster.of_quantities(&quota.guarantees),
            limits: self.cluster.amount_limits(&quota.limits),
            priority: partition.map_or(0, |partition| partition.priority),
        });
        self.tree.set_partition_weight(role, partition.map(|partition| partition.weight));
        self.ledger.set_quota(role, quota);
        self.refresh_lending();
    }
}

/// The tracking of allocations and totals in the ledger.
impl Allocator {
    pub(crate) fn track_quota_used(&mut self, framework: Ix<Framework>, role: &Role, resources: &Resources) {
        let Some(account) = self.account_of(framework, role) else { return };
        self.ledger.track(account, &self.cluster.quota_amounts(resources));
    }

    pub(crate) fn untrack_quota_used(&mut self, framework: Ix<Framework>, role: &Role, resources: &Resources) {
        let Some(account) = self.account_of(framework, role) else { return };
        self.ledger.untrack(account, &self.cluster.quota_amounts(resources));
    }

    fn account_of(&self, framework: Ix<Framework>, role: &Role) -> Option<Ix<Account>> {
        self.tree.account(self.frameworks.get(framework)?.roles.get(role)?.leaf)
    }

    /// Tracks allocations of frameworks that have not been added yet.
    pub(crate) fn track_unclaimed(&mut self, resources: &Resources) {
        for role in resources.allocation_roles() {
            let amounts = self.cluster.quota_amounts(&resources.allocated_to(role.as_str()));
            self.ledger.track_role(&role, &amounts);
        }
    }

    pub(crate) fn untrack_unclaimed(&mut self, resources: &Resources) {
        for role in resources.allocation_roles() {
            let amounts = self.cluster.quota_amounts(&resources.allocated_to(role.as_str()));
            self.ledger.untrack_role(&role, &amounts);
        }
    }

    pub(crate) fn track_total(&mut self, total: &Resources) {
        for (role, amounts) in self.cluster.reserved(total) {
            self.ledger.reserve(&role, &amounts);
        }
        self.ledger.grow(&self.cluster.quota_amounts(total));
    }

    pub(crate) fn untrack_total(&mut self, total: &Resources) {
        for (role, amounts) in self.cluster.reserved(total) {
            self.ledger.unreserve(&role, &amounts);
        }
        self.ledger.shrink(&self.cluster.quota_amounts(total));
    }

    /// Updates the excess of an agent after a change of its total or its allocations.
    pub(crate) fn track_excess(&mut self, ix: Ix<Agent>) {
        let Some(agent) = self.agents.get_mut(ix) else { return };
        let excess = agent.compute_excess(&self.cluster);
        let settled = std::mem::replace(&mut agent.excess, excess.clone());
        if excess != settled {
            self.ledger.grow(&excess);
            self.ledger.shrink(&settled);
        }
    }
}
