//! The operations and the drain that recovery finds.

use std::sync::Arc;

use messages::v1;
use model::agent::Draining;

/// The operations and the drain that recovery finds: the last `Record::Resources`, the operations in such records
/// without an `OperationDone`, and the last `Record::Drain`.
#[derive(Debug, Clone, Default)]
pub struct RecoveredResources {
    /// The checkpointed resources whose volumes are on the disk.
    pub resources: Vec<v1::Resource>,
    /// The target of the last record: its volumes are brought to the disk before the agent registers.
    pub target: Option<Vec<v1::Resource>>,
    /// The operations. Operations that are not final, which a Mesos agent may leave, are applied before the agent
    /// registers.
    pub operations: Vec<Arc<v1::Operation>>,
    /// The drain that was in progress.
    pub draining: Option<Arc<Draining>>,
}

impl RecoveredResources {
    /// Iterates over the operations whose status is final.
    pub(super) fn finished(&self) -> impl Iterator<Item = &Arc<v1::Operation>> {
        self.operations.iter().filter(|operation| is_final(operation))
    }

    /// Iterates over the operations that are still to be applied.
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
