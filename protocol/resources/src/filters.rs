//! Looking at a part of the resources, or at all of them in another light.

use std::collections::BTreeSet;

use ids::Role;

use crate::{Name, Ranges, Reservation, Resource, ResourceQuantities, Resources, Scalar, Set, Value};

impl Resources {
    /// Marks everything as allocated to `role`, whatever it was before.
    pub fn allocate(&mut self, role: &Role) {
        *self = self.with_allocation(Some(role));
    }

    pub fn unallocate(&mut self) {
        *self = self.with_allocation(None);
    }

    pub fn allocated(&self, role: &Role) -> Resources {
        self.with_allocation(Some(role))
    }

    pub fn unallocated(&self) -> Resources {
        self.with_allocation(None)
    }

    pub fn allocation_roles(&self) -> BTreeSet<Role> {
        self.iter().filter_map(|resource| resource.allocation.clone()).collect()
    }

    /// What is allocated to exactly `role`.
    pub fn allocated_to(&self, role: &str) -> Resources {
        self.filter(|resource| resource.allocation_role().is_some_and(|own| own.as_str() == role))
    }

    pub fn allocated_within(&self, subtree: &str) -> Resources {
        self.filter(|resource| resource.is_allocated_within(subtree))
    }

    pub fn unreserved(&self) -> Resources {
        self.filter(Resource::is_unreserved)
    }

    /// Reserved to exactly `role`, or to any when `None`.
    pub fn reserved(&self, role: Option<&str>) -> Resources {
        self.filter(|resource| {
            resource.reservation_role().is_some_and(|own| role.is_none_or(|role| role == own.as_str()))
        })
    }

    pub fn reserved_within(&self, subtree: &str) -> Resources {
        self.filter(|resource| resource.is_reserved_within(subtree))
    }

    /// Unreserved, or reserved to `role` or an ancestor of it.
    pub fn allocatable_to(&self, role: &str) -> Resources {
        self.filter(|resource| resource.is_allocatable_to(role))
    }

    pub fn revocable(&self) -> Resources {
        self.filter(Resource::is_revocable)
    }

    pub fn non_revocable(&self) -> Resources {
        self.filter(|resource| !resource.is_revocable())
    }

    pub fn shared(&self) -> Resources {
        self.filter(Resource::is_shared)
    }

    pub fn non_shared(&self) -> Resources {
        self.filter(|resource| !resource.is_shared())
    }

    pub fn persistent_volumes(&self) -> Resources {
        self.filter(Resource::is_persistent_volume)
    }

    pub fn scalars(&self) -> Resources {
        self.filter(|resource| matches!(resource.value, Value::Scalar(_)))
    }

    pub fn by_name(&self, name: &str) -> Resources {
        self.filter(|resource| resource.name.as_str() == name)
    }

    pub fn by_provider(&self, provider: Option<&str>) -> Resources {
        self.filter(|resource| resource.provider_id() == provider)
    }

    pub fn names(&self) -> BTreeSet<Name> {
        self.iter().map(|resource| resource.name.clone()).collect()
    }

    /// The sum of the scalars of that name; `None` when there is none.
    pub fn get_scalar(&self, name: &str) -> Option<Scalar> {
        self.iter()
            .filter(|resource| resource.name.as_str() == name)
            .filter_map(|resource| resource.value.as_scalar())
            .reduce(Scalar::saturating_add)
    }

    pub fn get_ranges(&self, name: &str) -> Option<Ranges> {
        self.iter()
            .filter_map(|resource| match &resource.value {
                Value::Ranges(ranges) if resource.name.as_str() == name => Some(ranges.clone()),
                _ => None,
            })
            .reduce(|sum, ranges| sum.union(&ranges))
    }

    pub fn get_set(&self, name: &str) -> Option<Set> {
        self.iter()
            .filter_map(|resource| match &resource.value {
                Value::Set(set) if resource.name.as_str() == name => Some(set.clone()),
                _ => None,
            })
            .reduce(|sum, set| sum.union(&set))
    }

    /// Total of a name; zero when there is none.
    pub fn total(&self, name: &Name) -> Scalar {
        self.iter()
            .filter(|resource| resource.name == *name)
            .filter_map(|resource| resource.value.as_scalar())
            .fold(Scalar::ZERO, Scalar::saturating_add)
    }

    pub fn cpus(&self) -> f64 {
        self.total(&Name::CPUS).as_f64()
    }

    pub fn gpus(&self) -> f64 {
        self.total(&Name::GPUS).as_f64()
    }

    /// Megabytes.
    pub fn mem(&self) -> f64 {
        self.total(&Name::MEM).as_f64()
    }

    /// Megabytes.
    pub fn disk(&self) -> f64 {
        self.total(&Name::DISK).as_f64()
    }

    pub fn ports(&self) -> Ranges {
        self.get_ranges("ports").unwrap_or_default()
    }

    /// Scalar amounts by name; a shared resource counts once.
    pub fn quantities(&self) -> ResourceQuantities {
        self.iter().filter_map(|resource| Some((resource.name.clone(), resource.value.as_scalar()?))).collect()
    }

    /// Whether there is at least so much of each name, whatever its kind: ranges count integers, sets items.
    pub fn covers(&self, quantities: &ResourceQuantities) -> bool {
        quantities.iter().all(|(name, wanted)| {
            let amounts =
                self.iter().filter(|resource| resource.name == *name).map(|resource| resource.value.quantity());
            amounts.fold(Scalar::ZERO, Scalar::saturating_add) >= wanted
        })
    }

    /// The same without any reservation.
    pub fn to_unreserved(&self) -> Resources {
        if self.iter().all(Resource::is_unreserved) {
            return self.clone();
        }
        self.map(|resource| resource.change_details(|details| details.reservations.clear()))
    }

    pub fn strip_reservations(&mut self) {
        *self = self.to_unreserved();
    }

    /// One more, innermost reservation on everything. That it refines the previous one is for the caller to check.
    pub fn push_reservation(&self, reservation: &Reservation) -> Resources {
        self.map(|resource| resource.change_details(|details| details.reservations.push(reservation.clone())))
    }

    /// Without the innermost reservation.
    pub fn pop_reservation(&self) -> Resources {
        self.map(|resource| {
            resource.change_details(|details| {
                details.reservations.pop();
            });
        })
    }
}
