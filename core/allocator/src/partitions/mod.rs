//! Partitions: a guaranteed part of the cluster for one role. It is lent to other roles while the role does not want
//! it, and is reclaimed by preemption. Mesos has no partitions.
//!
//! | module | owns |
//! | --- | --- |
//! | `partition` | [`Partition`]: minimum, maximum, priority, weight, and whether it lends and may be preempted |
//! | `table` | the existing partitions, with what they use, lend and borrow |
//! | `shortfall` | what lenders lack of their minimum and cannot get from free resources |
//! | `preempt` | the allocations that borrowers have to give back |

mod partition;
mod preempt;
mod shortfall;
mod table;

pub use partition::{Partition, PartitionId};
pub use preempt::{AllocatedResources, Preemption};
pub use table::PartitionView;
pub(crate) use table::Partitions;
