//! The existing partitions, with what they use, lend and borrow.

use std::collections::BTreeMap;

use model::Role;
use resources::ResourceQuantities;

use crate::allocator::Allocator;
use crate::amounts::Amounts;
use crate::partitions::{Partition, PartitionId};

#[derive(Debug, Default)]
pub(crate) struct Partitions {
    by_id: BTreeMap<PartitionId, Partition>,
    by_role: BTreeMap<Role, PartitionId>,
}

/// A partition with its consumption.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionView {
    /// The partition.
    pub partition: Partition,
    /// The resources that are offered or allocated to the role and the roles below it, and those that are reserved for
    /// them.
    pub used: ResourceQuantities,
    /// The part of its minimum that other roles may use now.
    pub lent: ResourceQuantities,
    /// The resources that it uses beyond its minimum.
    pub borrowed: ResourceQuantities,
    /// Whether a framework of the role or of a role below it wants resources.
    pub wanted: bool,
}

impl Partitions {
    pub fn iter(&self) -> impl Iterator<Item = &Partition> + '_ {
        self.by_id.values()
    }

    pub fn of_role(&self, role: &Role) -> Option<&Partition> {
        self.by_id.get(self.by_role.get(role)?)
    }

    /// Inserts a partition in place of one of the same id or role, and returns the roles that are affected.
    fn insert(&mut self, partition: Partition) -> Vec<Role> {
        let mut roles = vec![partition.role.clone()];
        roles.extend(self.remove(&partition.id).map(|old| old.role));
        if let Some(id) = self.by_role.insert(partition.role.clone(), partition.id.clone()) {
            self.by_id.remove(&id);
        }
        self.by_id.insert(partition.id.clone(), partition);
        roles
    }

    fn remove(&mut self, id: &PartitionId) -> Option<Partition> {
        let partition = self.by_id.remove(id)?;
        self.by_role.remove(&partition.role);
        Some(partition)
    }
}

impl Allocator {
    /// Creates or replaces a partition. The caller checks first, with [`check_quotas`] over the quotas and the bounds
    /// of the partitions, whether it fits.
    ///
    /// [`check_quotas`]: crate::check_quotas
    pub fn set_partition(&mut self, partition: Partition) {
        for role in self.partitions.insert(partition) {
            self.apply_quota(&role);
        }
    }

    /// Removes a partition. Returns false if there is none with this id.
    pub fn remove_partition(&mut self, id: &PartitionId) -> bool {
        let Some(partition) = self.partitions.remove(id) else { return false };
        self.apply_quota(&partition.role);
        true
    }
}

impl Allocator {
    /// Iterates over the partitions by id.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionView> + '_ {
        self.partitions.iter().map(|partition| {
            let role = &partition.role;
            let wanted = self.is_wanted(role);
            let lent = if partition.lends && !wanted { self.ledger.lacking(role) } else { Amounts::default() };
            PartitionView {
                used: self.quota_used(role),
                lent: self.cluster.quantities(&lent),
                borrowed: self.cluster.quantities(&self.ledger.borrowed(role)),
                wanted,
                partition: partition.clone(),
            }
        })
    }

    /// Returns whether a framework of the role or of a role below it wants resources.
    pub(crate) fn is_wanted(&self, role: &Role) -> bool {
        self.tree.find_role(role).and_then(|ix| self.tree.get(ix)).is_some_and(|node| node.active)
    }

    /// Updates which partitions lend; called whenever a framework may have begun or ceased to want resources.
    pub(crate) fn refresh_lending(&mut self) {
        for partition in self.partitions.iter() {
            let lends = partition.lends && !self.is_wanted(&partition.role);
            self.ledger.lend(&partition.role, lends);
        }
    }
}
