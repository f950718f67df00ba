//! What only counts: totals since the start that no entity shows.

use std::collections::BTreeMap;

use messages::v1::TaskState;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CumulativeCounts {
    pub ended: BTreeMap<TaskState, u64>,
    pub executors_terminated: u64,
}
