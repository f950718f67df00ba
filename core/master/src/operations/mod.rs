//! Operations on resources: RESERVE, UNRESERVE, CREATE, DESTROY, GROW_VOLUME, SHRINK_VOLUME and those of resource
//! providers, from a call until their last status is acknowledged.

mod accept;
mod apply;
mod index;
mod operator;
mod reconcile;
mod removal;
mod spec;
mod status;
mod total_in_doubt;
mod update_slave;
mod validate;

pub(crate) use accept::{apply_offer_operation, drop_operation, validate_syntax_and_feedback};
pub(crate) use index::{Operations, Provider};
pub(crate) use operator::apply_operator_operation;
pub(crate) use reconcile::reconcile_operations;
pub(crate) use removal::{adopt_operations_of, orphan_operations_of, remove_operations_on_agent};
pub(crate) use status::{acknowledge_operation_status, operation_status_update};
pub(crate) use total_in_doubt::{
    has_pending_operations, is_repeated_registration, must_register_again, resolve_total_in_doubt,
};
pub(crate) use update_slave::reconcile_operations_with;
