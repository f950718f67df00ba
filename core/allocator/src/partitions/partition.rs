//! What a partition is.

use std::fmt;
use std::sync::Arc;

use model::Role;

use crate::Quota;

/// Chosen by the operator.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(Arc<str>);

/// A role has at most one; it stands in for the quota of the role while it exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// The name of the partition.
    pub id: PartitionId,
    /// The role whose subtree the partition is.
    pub role: Role,
    /// Guarantees are the minimum, limits the maximum.
    pub quota: Quota,
    /// The higher one gets its minimum first, and what it lent back first. Quotas have priority 0.
    pub priority: i32,
    /// Of the role, in the place of the one set with UPDATE_WEIGHTS.
    pub weight: f64,
    /// What it does not use of its minimum goes to others as long as no framework of the role wants resources.
    pub lends: bool,
    /// What it holds beyond its minimum may be taken back from running tasks when the lender wants it.
    pub preemptible: bool,
}

impl PartitionId {
    /// An id from the operator's text.
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
