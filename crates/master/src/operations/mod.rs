//! Operations on resources: RESERVE, UNRESERVE, CREATE, DESTROY, GROW_VOLUME, SHRINK_VOLUME and those of resource
//! providers, from a call until their last status is acknowledged.

mod agent_report;
mod apply;
mod book;
mod departure;
mod in_accept;
mod judge;
mod operator;
mod reconcile;
mod status;
mod totals;

pub use book::OperationUuid;
pub(crate) use book::{Operations, Provider};
