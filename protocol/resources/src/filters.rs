//! Selections and transformations of collections of resources.

use std::collections::BTreeSet;

use ids::Role;

use crate::{Name, Ranges, Reservation, Resource, ResourceQuantities, Resources, Scalar, Set, Value};

impl Resources {
    /// Allocates everything to `role`, in place of its allocation.
    pub fn allocate(&mut self, role: &Role) {
        *self = self.with_allocation(Some(role));
    }

    /// Removes the mark of allocation from everything.
    pub fn unallocate(&mut self) {
        *self = self.with_allocation(None);
    }

    /// Returns the same resources, allocated to `role`.
    pub fn allocated(&self, role: &Role) -> Resources {
        self.with_allocation(Some(role))
    }

    /// Returns the same resources without allocation.
    pub fn unallocated(&self) -> Resources {
        self.with_allocation(None)
    }

    /// Returns the roles that entries are allocated to.
    pub fn allocation_roles(&self) -> BTreeSet<Role> {
        self.iter().filter_map(|resource| resource.allocation.clone()).collect()
    }

    /// Returns the resources that are allocated to exactly `role`.
    pub fn allocated_to(&self, role: &str) -> Resources {
        self.filter(|resource| resource.allocation_role().is_some_and(|own| own.as_str() == role))
    }

    /// Returns the resources that are allocated to `subtree` or a role below it.
    pub fn allocated_within(&self, subtree: &str) -> Resources {
        self.filter(|resource| resource.is_allocated_within(subtree))
    }

    /// Returns the resources that are not reserved.
    pub fn unreserved(&self) -> Resources {
        self.filter(Resource::is_unreserved)
    }

    /// Returns the resources that are reserved to exactly `role`, or to any role for `None`.
    pub fn reserved(&self, role: Option<&str>) -> Resources {
        self.filter(|resource| {
            resource.reservation_role().is_some_and(|own| role.is_none_or(|role| role == own.as_str()))
        })
    }

    /// Returns the resources that are reserved to `subtree` or a role below it.
    pub fn reserved_within(&self, subtree: &str) -> Resources {
        self.filter(|resource| resource.is_reserved_within(subtree))
    }

    /// Returns the resources that are unreserved, or reserved to `role` or an ancestor of it.
    pub fn allocatable_to(&self, role: &str) -> Resources {
        self.filter(|resource| resource.is_allocatable_to(role))
    }

    /// Returns the revocable resources, which may be taken back at any time.
    pub fn revocable(&self) -> Resources {
        self.filter(Resource::is_revocable)
    }

    /// Returns the resources that are not revocable.
    pub fn non_revocable(&self) -> Resources {
        self.filter(|resource| !resource.is_revocable())
    }

    /// Returns the shared resources, which several tasks may use at once.
    pub fn shared(&self) -> Resources {
        self.filter(Resource::is_shared)
    }

    /// Returns the resources that one task at a time may use.
    pub fn non_shared(&self) -> Resources {
        self.filter(|resource| !resource.is_shared())
    }

    /// Returns the persistent volumes.
    pub fn persistent_volumes(&self) -> Resources {
        self.filter(Resource::is_persistent_volume)
    }

    /// Returns the entries whose amount is a scalar.
    pub fn scalars(&self) -> Resources {
        self.filter(|resource| matches!(resource.value, Value::Scalar(_)))
    }

    /// Returns the entries of this name.
    pub fn by_name(&self, name: &str) -> Resources {
        self.filter(|resource| resource.name.as_str() == name)
    }

    /// Returns the entries of this resource provider; those of the agent itself for `None`.
    pub fn by_provider(&self, provider: Option<&str>) -> Resources {
        self.filter(|resource| resource.provider_id() == provider)
    }

    /// Returns the names of all entries.
    pub fn names(&self) -> BTreeSet<Name> {
        self.iter().map(|resource| resource.name.clone()).collect()
    }

    /// Returns the sum of the scalars of a name; `None` if there are none.
    pub fn get_scalar(&self, name: &str) -> Option<Scalar> {
        self.iter()
            .filter(|resource| resource.name.as_str() == name)
            .filter_map(|resource| resource.value.as_scalar())
            .reduce(Scalar::saturating_add)
    }

    /// Returns the union of the ranges of a name; `None` if there are none.
    pub fn get_ranges(&self, name: &str) -> Option<Ranges> {
        self.iter()
            .filter_map(|resource| match &resource.value {
                Value::Ranges(ranges) if resource.name.as_str() == name => Some(ranges.clone()),
                _ => None,
            })
            .reduce(|sum, ranges| sum.union(&ranges))
    }

    /// Returns the union of the sets of a name; `None` if there are none.
    pub fn get_set(&self, name: &str) -> Option<Set> {
        self.iter()
            .filter_map(|resource| match &resource.value {
                Value::Set(set) if resource.name.as_str() == name => Some(set.clone()),
                _ => None,
            })
            .reduce(|sum, set| sum.union(&set))
    }

    /// Returns the sum of the scalars of a name; zero if there are none.
    pub fn total(&self, name: &Name) -> Scalar {
        self.iter()
            .filter(|resource| resource.name == *name)
            .filter_map(|resource| resource.value.as_scalar())
            .fold(Scalar::ZERO, Scalar::saturating_add)
    }

    /// Returns the number of processors.
    pub fn cpus(&self) -> f64 {
        self.total(&Name::CPUS).as_f64()
    }

    /// Returns the number of graphics processors.
    pub fn gpus(&self) -> f64 {
        self.total(&Name::GPUS).as_f64()
    }

    /// Returns the memory in megabytes.
    pub fn mem(&self) -> f64 {
        self.total(&Name::MEM).as_f64()
    }

    /// Returns the disk space in megabytes.
    pub fn disk(&self) -> f64 {
        self.total(&Name::DISK).as_f64()
    }

    /// Returns the ports; empty if there are none.
    pub fn ports(&self) -> Ranges {
        self.get_ranges("ports").unwrap_or_default()
    }

    /// Returns the scalar amounts by name; a shared resource counts once.
    pub fn quantities(&self) -> ResourceQuantities {
        self.iter().filter_map(|resource| Some((resource.name.clone(), resource.value.as_scalar()?))).collect()
    }

    /// Returns whether there is at least this amount of each name. For ranges the number of integers counts, for sets
    /// the number of items.
    pub fn covers(&self, quantities: &ResourceQuantities) -> bool {
        quantities.iter().all(|(name, wanted)| {
            let amounts =
                self.iter().filter(|resource| resource.name == *name).map(|resource| resource.value.quantity());
            amounts.fold(Scalar::ZERO, Scalar::saturating_add) >= wanted
        })
    }

    /// Returns the same resources without any reservation.
    pub fn to_unreserved(&self) -> Resources {
        if self.iter().all(Resource::is_unreserved) {
            return self.clone();
        }
        self.map(|resource| resource.change_details(|details| details.reservations.clear()))
    }

    /// Removes all reservations.
    pub fn strip_reservations(&mut self) {
        *self = self.to_unreserved();
    }

    /// Returns the same resources with one more, innermost reservation. The caller checks that it refines the one
    /// before it.
    pub fn push_reservation(&self, reservation: &Reservation) -> Resources {
        self.map(|resource| resource.change_details(|details| details.reservations.push(reservation.clone())))
    }

    /// Returns the same resources without the innermost reservation.
    pub fn pop_reservation(&self) -> Resources {
        self.map(|resource| {
            resource.change_details(|details| {
                details.reservations.pop();
            });
        })
    }
}
