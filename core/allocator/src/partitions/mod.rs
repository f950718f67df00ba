//! Partitions: the part of the cluster that one role may count on, lends while it does not need it, and gets back.
//!
//! | module | owns |
//! | --- | --- |
//! | `terms` | [`Partition`]: who gets how much, and on which terms it is lent |
//! | `books` | keeping them: setting, removing, showing, and who wants what he lent |
//! | `missing` | what lenders want of their own and cannot have of what is free |
//! | `preempt` | what borrowers must give back |

mod partition;
mod preempt;
mod shortfall;
mod table;

pub use partition::{Partition, PartitionId};
pub use preempt::{AllocatedResources, Preemption};
pub use table::PartitionView;
pub(crate) use table::Partitions;
