//! The types and states of operations that a master distinguishes, by the specification that all crates share.

use messages::v1;
use resources::operation::OperationSpec;
pub(crate) use resources::operation::{consumed, for_each_resource_list, provider as provider_of};

/// Returns whether the result is entered before the agent has answered.
pub(crate) fn is_speculative(operation: &v1::offer::Operation) -> bool {
    OperationSpec::of(operation.r#type()).is_speculative()
}

/// Returns whether no further status follows.
pub(crate) fn is_terminal(state: v1::OperationState) -> bool {
    use v1::OperationState::{
        OperationDropped, OperationError, OperationFailed, OperationFinished, OperationGoneByOperator,
    };
    matches!(state, OperationFinished | OperationFailed | OperationError | OperationDropped | OperationGoneByOperator)
}
