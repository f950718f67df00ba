//! What a master shows.

pub(crate) mod entity;
mod events;
mod facts;
mod failures;
mod legacy;
mod operations;
mod operator;
mod operator_json;
pub(crate) mod policy;
mod policy_json;
mod roles;
mod snapshot;
mod summary;
mod tally;
mod tasks;
mod view;

pub use facts::{Build, Facts, Limits};
pub use snapshot::Snapshot;
pub use view::View;
