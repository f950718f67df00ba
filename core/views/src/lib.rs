//! The state that readers see: entities built from the change streams, and their v0 JSON and v1 forms.
//!
//! A shell applies each published change to a [`master::View`] or [`agent::View`] and answers readers from a
//! [`master::Snapshot`] or [`agent::Snapshot`]: a cheap copy, so that `/state` is built on the reader's own thread
//! while the view is updated further.

pub mod agent;
mod entity;
mod history;
mod json;
pub mod master;
pub mod metrics;
mod query;
mod snapshot_map;
mod v0;
mod visibility;

pub use query::Query;
pub use visibility::{Approver, Visibility};
