//! Operations on resources: RESERVE, UNRESERVE, CREATE, DESTROY, GROW_VOLUME, SHRINK_VOLUME and those of resource
//! providers, from a call until their last status is acknowledged.

mod accept;
mod apply;
mod index;
mod operator;
mod reconcile;
mod removal;
mod status;
mod total_in_doubt;
mod update_slave;
mod validate;

pub(crate) use index::{Operations, Provider};
