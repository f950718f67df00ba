//! The guarantees and limits of a role.

use std::collections::BTreeMap;

use resources::{Name, ResourceQuantities, Scalar};

/// The quota of a role, as UPDATE_QUOTA sets it. Only scalars that are not revocable count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quota {
    /// The amounts that are kept free for the role as long as it does not have them.
    pub guarantees: ResourceQuantities,
    /// The amounts that the role and the roles below it may not exceed.
    pub limits: ResourceLimits,
}

/// Upper bounds by name. A name that is absent has no bound; a bound of zero allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceLimits(BTreeMap<Name, Scalar>);

impl Quota {
    /// Returns whether there are neither guarantees nor limits.
    pub fn is_default(&self) -> bool {
        self.guarantees.is_empty() && self.limits.is_empty()
    }
}

impl ResourceLimits {
    /// Creates an empty collection, which limits nothing.
    pub fn new() -> Self {
        ResourceLimits::default()
    }

    /// Returns whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the limit of a name; `None` if it is unlimited.
    pub fn get(&self, name: &Name) -> Option<Scalar> {
        self.0.get(name).copied()
    }

    /// Limits one resource, in place of a limit that it has.
    pub fn set(&mut self, name: Name, limit: Scalar) {
        self.0.insert(name, limit);
    }

    /// Iterates over the limits by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, Scalar)> + '_ {
        self.0.iter().map(|(name, limit)| (name, *limit))
    }

    /// Returns whether the limits allow these amounts.
    pub fn allow(&self, quantities: &ResourceQuantities) -> bool {
        self.iter().all(|(name, limit)| quantities.get(name) <= limit)
    }
}

impl FromIterator<(Name, Scalar)> for ResourceLimits {
    fn from_iter<I: IntoIterator<Item = (Name, Scalar)>>(limits: I) -> Self {
        ResourceLimits(limits.into_iter().collect())
    }
}
