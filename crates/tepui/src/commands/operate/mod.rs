//! What operators decide: who gets how much, what is set aside, which machines rest.

mod advice;
pub mod amounts;
mod drain;
mod holdings;
mod machines;
mod maintenance;
mod order;
mod partition;
mod quota;
mod reserve;
mod role;
mod volume;
mod weight;
pub(super) mod when;

pub use drain::{Deactivate, Drain, Gone, Reactivate, deactivate, drain, gone, reactivate};
pub use maintenance::{Maintenance, maintenance};
pub use partition::{Partition, partition};
pub use quota::{Quota, quota};
pub use reserve::{Reserve, Unreserve, reserve, unreserve};
pub use role::{Role, role};
pub use volume::{Volume, volume};
pub use weight::{Weight, weight};
