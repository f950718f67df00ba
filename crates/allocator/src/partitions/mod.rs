//! Partitions: the part of the cluster that one role may count on, lends while it does not need it, and gets back.
//!
//! | module | owns |
//! | --- | --- |
//! | `terms` | [`Partition`]: who gets how much, and on which terms it is lent |
//! | `books` | keeping them: setting, removing, showing, and who wants what he lent |
//! | `missing` | what lenders want of their own and cannot have of what is free |
//! | `preempt` | what borrowers must give back |

mod books;
mod missing;
mod preempt;
mod terms;

pub use books::PartitionView;
pub(crate) use books::Partitions;
pub use preempt::{Holding, Preemption};
pub use terms::{Partition, PartitionId};
