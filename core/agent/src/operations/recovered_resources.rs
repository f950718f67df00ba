//! What recovery finds of operations and draining.

use std::sync::Arc;

use messages::v1;
use model::agent::Draining;

/// What recovery finds of operations and draining: the last `Record::Resources`, the operations in such records without
/// an `OperationDone`, and the last `Record::Drain`.
#[derive(Debug, Clone, Default)]
pub struct RecoveredResources {
    /// The checkpointed resources whose volumes are on the disk.
    pub resources: Vec<v1::Resource>,
    /// Set by the last record: its volumes are brought to the disk before the agent registers.
    pub target: Option<Vec<v1::Resource>>,
    /// Those that are not final (a Mesos agent remembers such) are applied before the agent registers.
    pub operations: Vec<Arc<v1::Operation>>,
    /// The drain that was under way.
    pub draining: Option<Arc<Draining>>,
}

impl RecoveredResources {
    /// The operations whose status is final.
    pub(super) fn finished(&self) -> impl Iterator<Item = &Arc<v1::Operation>> {
        self.operations.iter().filter(|operation| is_final(operation))
    }

    /// The operations that are still to be applied.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &Arc<v1::Operation>> {
        self.operations.iter().filter(|operation| !is_final(operation))
    }
}

fn is_final(operation: &v1::Operation) -> bool {
    use v1::OperationState::*;
    match operation.latest_status.state() {
        OperationPending | OperationUnreachable | OperationRecovering | OperationUnknown => false,
        OperationUnsupported
        | OperationFinished
        | OperationFailed
        | OperationError
        | OperationDropped
        | OperationGoneByOperator => true,
    }
}
