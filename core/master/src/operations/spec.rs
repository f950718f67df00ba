//! What a master has to know of the types and states of operations, by the specification that all crates share.

use messages::v1;
use resources::operation::OperationSpec;
pub(crate) use resources::operation::{consumed, for_each_resource_list, provider as provider_of};

/// Whether the result is entered before the agent has answered.
pub(crate) fn is_speculative(operation: &v1::offer::Operation) -> bool {
    OperationSpec::of(operation.r#type()).is_speculative()
}

/// Whether no further status follows.
pub(crate) fn is_terminal(state: v1::OperationState) -> bool {
    use v1::OperationState::{
        OperationDropped, OperationError, OperationFailed, OperationFinished, OperationGoneByOperator,
    };
    matches!(state, OperationFinished | OperationFailed | OperationError | OperationDropped | OperationGoneByOperator)
}
