//! One entry of [`Resources`](crate::Resources): an amount and a descriptor.

use std::cmp::Ordering;
use std::sync::Arc;

use ids::Role;

use crate::{Disk, Name, Reservation, ReservationKind, Scalar, Value, roles};

/// One entry of a collection: an amount, and a descriptor that says what it is an amount of.
#[derive(Debug, Clone)]
pub struct Resource {
    pub(crate) name: Name,
    pub(crate) value: Value,
    /// The role whose offer or task the resource is part of.
    pub(crate) allocation: Option<Role>,
    /// `None` for the plain resource: unreserved, without disk information, neither revocable nor shared.
    pub(crate) details: Option<Arc<DescriptorDetails>>,
    /// The number of copies of a shared resource; 1 for any other.
    pub(crate) copies: u32,
}

/// The rarer half of a descriptor. Most resources have none, and resources that were split from one agent's resource
/// share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct DescriptorDetails {
    /// The reservations from the outermost to the most refined.
    pub reservations: Vec<Reservation>,
    pub disk: Option<Disk>,
    pub revocable: bool,
    pub shared: bool,
    pub provider: Option<Arc<str>>,
}

impl Resource {
    /// Creates a plain resource: unreserved, not allocated, neither shared nor revocable.
    pub fn new(name: impl Into<Name>, value: Value) -> Self {
        Resource { name: name.into(), value, allocation: None, details: None, copies: 1 }
    }

    /// Creates a plain resource of a scalar amount.
    pub fn scalar(name: impl Into<Name>, amount: Scalar) -> Self {
        Resource::new(name, Value::Scalar(amount))
    }

    /// Returns the name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the amount.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the role that it is allocated to.
    pub fn allocation_role(&self) -> Option<&Role> {
        self.allocation.as_ref()
    }

    /// Returns the reservations from the outermost to the most refined.
    pub fn reservations(&self) -> &[Reservation] {
        self.details.as_ref().map_or(&[], |details| &details.reservations)
    }

    /// Returns the role of the innermost reservation; `None` for an unreserved resource.
    pub fn reservation_role(&self) -> Option<&Role> {
        self.reservations().last().map(|reservation| &reservation.role)
    }

    /// Returns the details of the disk; `None` for a resource without any.
    pub fn disk(&self) -> Option<&Disk> {
        self.details.as_ref().and_then(|details| details.disk.as_ref())
    }

    /// Returns the resource provider that manages it; `None` for the agent itself.
    pub fn provider_id(&self) -> Option<&str> {
        self.details.as_ref().and_then(|details| details.provider.as_deref())
    }

    /// Returns the number of copies of a shared resource; 1 for any other.
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// Returns whether it may be taken back at any time.
    pub fn is_revocable(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.revocable)
    }

    /// Returns the resource with one copy, however many there are.
    pub fn single_copy(&self) -> Resource {
        Resource { copies: 1, ..self.clone() }
    }

    /// Returns whether several tasks may use it at once.
    pub fn is_shared(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.shared)
    }

    /// Returns whether it is a persistent volume.
    pub fn is_persistent_volume(&self) -> bool {
        self.disk().is_some_and(|disk| disk.persistence.is_some())
    }

    /// Returns whether it is reserved to nobody.
    pub fn is_unreserved(&self) -> bool {
        self.reservations().is_empty()
    }

    /// Returns whether its innermost reservation was made by a call.
    pub fn is_dynamically_reserved(&self) -> bool {
        self.reservations().last().is_some_and(|reservation| reservation.kind == ReservationKind::Dynamic)
    }

    /// Returns whether it has more than one reservation.
    pub fn has_refined_reservations(&self) -> bool {
        self.reservations().len() > 1
    }

    /// Returns whether it is unreserved, or reserved to the role itself or an ancestor of it.
    pub fn is_allocatable_to(&self, role: &str) -> bool {
        self.reservation_role().is_none_or(|reserved| roles::is_within(role, reserved.as_str()))
    }

    /// Returns whether it is reserved to `subtree` or a role below it.
    pub fn is_reserved_within(&self, subtree: &str) -> bool {
        self.reservation_role().is_some_and(|role| roles::is_within(role.as_str(), subtree))
    }

    /// Returns whether it is allocated to `subtree` or a role below it.
    pub fn is_allocated_within(&self, subtree: &str) -> bool {
        self.allocation.as_ref().is_some_and(|role| roles::is_within(role.as_str(), subtree))
    }

    /// Returns whether the amount is empty. Mesos drops such entries wherever they appear.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty() || self.copies == 0
    }

    /// Returns whether the resource can only be used as a whole.
    pub fn is_exclusive(&self) -> bool {
        self.disk().is_some_and(Disk::is_exclusive)
    }

    /// Returns the resource with another amount. The caller knows whether it may be divided.
    pub fn with_scalar(&self, amount: Scalar) -> Self {
        Resource { value: Value::Scalar(amount), ..self.clone() }
    }

    /// Returns whether `other` can be subtracted from it.
    pub fn contains(&self, other: &Resource) -> bool {
        self.can_subtract(other) && self.value.contains(&other.value) && self.copies >= other.copies
    }

    /// Returns whether both are the same resource and amount, whoever they are allocated to and however many copies
    /// there are.
    pub fn is_same_but_for_allocation(&self, other: &Resource) -> bool {
        self.name == other.name && self.details == other.details && self.value == other.value
    }

    /// Compares the descriptors and ignores the amounts.
    pub(crate) fn cmp_descriptor(&self, other: &Resource) -> Ordering {
        let details = || match (&self.details, &other.details) {
            (Some(own), Some(other)) if Arc::ptr_eq(own, other) => Ordering::Equal,
            (own, other) => own.cmp(other),
        };
        (self.name.cmp(&other.name))
            .then_with(|| self.value.kind().cmp(&other.value.kind()))
            .then_with(details)
            .then_with(|| self.allocation.cmp(&other.allocation))
    }

    pub(crate) fn cmp_position(&self, other: &Resource) -> Ordering {
        self.cmp_descriptor(other).then_with(|| self.value.cmp(&other.value))
    }

    /// Returns whether two resources with equal descriptors can be merged into one entry.
    pub(crate) fn merges_with(&self, other: &Resource) -> bool {
        if self.is_shared() { self.value == other.value } else { !self.is_exclusive() }
    }

    /// Adds a resource that it [merges with](Self::merges_with).
    pub(crate) fn merge(&mut self, other: &Resource) {
        if self.is_shared() {
            self.copies = self.copies.saturating_add(other.copies);
        } else {
            self.value.add(&other.value);
        }
    }

    fn can_subtract(&self, other: &Resource) -> bool {
        self.cmp_descriptor(other) == Ordering::Equal && self.splits_by(other)
    }

    /// Returns whether a part as large as `other`, which has an equal descriptor, can be split off.
    pub(crate) fn splits_by(&self, other: &Resource) -> bool {
        if self.is_shared() || self.is_exclusive() { self.value == other.value } else { true }
    }

    pub(crate) fn change_details(&mut self, change: impl FnOnce(&mut DescriptorDetails)) {
        let mut details = self.details.as_deref().cloned().unwrap_or_default();
        change(&mut details);
        self.details = (details != DescriptorDetails::default()).then(|| Arc::new(details));
    }
}

/// Two shared resources are equal only if they have the same number of copies.
impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.cmp_position(other) == Ordering::Equal && self.copies == other.copies
    }
}

impl Eq for Resource {}
