//! What readers see: entities built from the change streams, and their legacy JSON and v1 forms.
//!
//! A shell applies each published change to a [`master::View`] or [`agent::View`] and
//! answers readers from a [`master::Snapshot`] or [`agent::Snapshot`]: a copy that costs
//! next to nothing to take, so that `/state` is built on the reader's own thread while
//! the view goes on.

pub mod agent;
mod entity;
mod history;
mod json;
mod legacy;
pub mod master;
pub mod metrics;
mod query;
mod series;

pub use query::Query;
