//! The invariants: records that are kept beside the cluster and compared with it after every step.

mod all;
mod operations;
mod remediation;
mod resource_accounting;
mod tasks;
mod updates;
mod view_consistency;

pub use all::Checks;
pub use operations::{OperationCheck, ResourceChange};
pub use remediation::RemediationCheck;
pub use resource_accounting::ResourceAccounting;
pub use tasks::Tasks;
pub use updates::Updates;
pub use view_consistency::ViewConsistency;
