//! The commands for operators: sharing the cluster, reservations, and taking machines out of service.

mod advice;
mod agent_resources;
pub mod amounts;
mod drain;
mod machines;
mod maintenance;
mod operator_call;
mod partition;
mod quota;
mod reserve;
mod role;
pub(super) mod time;
mod volume;
mod weight;

pub use drain::{Deactivate, Drain, Gone, Reactivate, deactivate, drain, gone, reactivate};
pub use maintenance::{Maintenance, maintenance};
pub use partition::{Partition, partition};
pub use quota::{Quota, quota};
pub use reserve::{Reserve, Unreserve, reserve, unreserve};
pub use role::{Role, role};
pub use volume::{Volume, volume};
pub use weight::{Weight, weight};
