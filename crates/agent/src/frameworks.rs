//! What a master tells about frameworks and operations.

use std::sync::Arc;

use messages::v1::OperationState;
use messages::{internal, v1};
use vocabulary::{FrameworkId, Upid};

use crate::agent::{Agent, Step};
use crate::change::{Change, FrameworkSnapshot};

impl Agent {
    /// The scheduler has failed over or has changed its description.
    pub(crate) fn update_framework(&mut self, step: &mut Step<'_>, message: internal::UpdateFrameworkMessage) {
        if !self.master.is_registered() {
            return;
        }
        let id = FrameworkId::from(&message.framework_id);
        let Some(framework) = self.frameworks.get_mut(&id).filter(|f| !f.terminating) else { return };
        let info = match message.framework_info {
            Some(info) => Arc::new(*info),
            None => framework.about.info.clone(),
        };
        let pid = message.pid.as_deref().and_then(|pid| pid.parse().ok()).filter(|pid: &Upid| !pid.is_none());
        let about = Arc::new(FrameworkSnapshot { id: id.clone(), info, pid });
        framework.about = about.clone();
        self.store_framework(step, &about);
        step.publish(Change::FrameworkAdded(about));
        // The old scheduler may have died with updates in its hands.
        for task in self.streams.restart(&id) {
            self.forward_next(step, &id, &task);
        }
    }

    /// Resources stay as they were given to the agent: an operation on them is refused in so many words.
    pub(crate) fn apply_operation(&mut self, step: &mut Step<'_>, message: internal::ApplyOperationMessage) {
        let id = message.operation_info.id.clone();
        let refusal = "This agent does not apply operations to its resources";
        let status = self.operation_status(id, OperationState::OperationDropped, refusal);
        self.send_operation_status(step, message.framework_id, message.operation_uuid, status);
    }

    /// The agent keeps no operations, so none that a master asks about has reached it.
    pub(crate) fn reconcile_operations(&mut self, step: &mut Step<'_>, message: internal::ReconcileOperationsMessage) {
        for operation in message.operations {
            let Some(uuid) = operation.operation_uuid else { continue };
            let reason = "Reconciliation: operation unknown to the agent";
            let status = self.operation_status(operation.operation_id, OperationState::OperationDropped, reason);
            self.send_operation_status(step, message.framework_id.clone(), uuid, status);
        }
    }

    fn operation_status(
        &mut self,
        operation_id: Option<v1::OperationId>,
        state: OperationState,
        message: &str,
    ) -> v1::OperationStatus {
        v1::OperationStatus {
            uuid: operation_id.is_some().then(|| v1::Uuid { value: self.random.uuid().as_bytes().to_vec() }),
            operation_id,
            state: state as i32,
            message: Some(message.to_owned()),
            agent_id: Some(self.agent_id()),
            ..Default::default()
        }
    }

    fn send_operation_status(
        &mut self,
        step: &mut Step<'_>,
        framework_id: Option<v1::FrameworkId>,
        operation_uuid: v1::Uuid,
        status: v1::OperationStatus,
    ) {
        let Some(master) = self.master.pid().cloned() else { return };
        let message = internal::UpdateOperationStatusMessage {
            framework_id,
            slave_id: Some(self.agent_id()),
            latest_status: Some(Box::new(status.clone())),
            status,
            operation_uuid: Some(operation_uuid),
        };
        step.send(&master, message);
    }
}
