//! The definition of a partition.

use std::fmt;
use std::sync::Arc;

use model::Role;

use crate::Quota;

/// The id of a partition, chosen by the operator.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(Arc<str>);

/// A partition of the cluster. A role has at most one; while it exists, it takes precedence over the quota of the role.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// The name of the partition.
    pub id: PartitionId,
    /// The role whose subtree the partition is.
    pub role: Role,
    /// The minimum as guarantees, and the maximum as limits.
    pub quota: Quota,
    /// Partitions of higher priority get their minimum, and what they lent, first. Quotas have priority 0.
    pub priority: i32,
    /// The weight of the role; it takes precedence over the one set with UPDATE_WEIGHTS.
    pub weight: f64,
    /// Whether other roles may use its minimum while no framework of the role wants resources.
    pub lends: bool,
    /// Whether tasks may be killed to give back what it uses beyond its minimum when the lender wants it.
    pub preemptible: bool,
}

impl PartitionId {
    /// Creates an id from the operator's text.
    pub fn new(text: impl AsRef<str>) -> Self {
        PartitionId(Arc::from(text.as_ref()))
    }

    /// Returns the operator's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
