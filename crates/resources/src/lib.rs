//! The algebra of resources: scalars, ranges, sets, roles, reservations, disks, shared, revocable.

/// A set of resources, compact and sorted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resources;
