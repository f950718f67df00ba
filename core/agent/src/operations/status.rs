//! Operation status updates: the final status of an operation is sent until it is acknowledged, and masters and frameworks
//! may ask for it. Operations on an agent's own resources have no other status.

use messages::v1::OperationState;
use messages::{internal, v1};
use uuid::Uuid;

use crate::agent::Agent;
use crate::effects::{Context, Record, Timer};
use crate::status_update_manager::{RETRY_MAX, RETRY_MIN};

impl Agent {
    /// Puts a status in flight that is durable and not in flight yet.
    pub(super) fn forward_operation(&mut self, cx: &mut Context<'_>, uuid: Uuid) {
        if !self.master.is_registered() {
            return;
        }
        let Some(entry) = self.agent_resources.operations.get_mut(&uuid).filter(|entry| entry.durable) else { return };
        if entry.retry.is_none() {
            entry.retry = Some(RETRY_MIN);
            self.send_operation(cx, uuid);
        }
    }

    pub(crate) fn retry_operation(&mut self, cx: &mut Context<'_>, uuid: Uuid) {
        if !self.master.is_registered() {
            return;
        }
        let Some(retry) = self.agent_resources.operations.get_mut(&uuid).and_then(|entry| entry.retry.as_mut()) else {
            return;
        };
        *retry = retry.saturating_mul(2).min(RETRY_MAX);
        self.send_operation(cx, uuid);
    }

    fn send_operation(&self, cx: &mut Context<'_>, uuid: Uuid) {
        let Some(master) = self.master.pid().cloned() else { return };
        let Some((entry, retry)) = self.agent_resources.operations.get(&uuid).and_then(|e| Some((e, e.retry?))) else {
            return;
        };
        let status = entry.operation.latest_status.clone();
        let message = internal::UpdateOperationStatusMessage {
            framework_id: entry.operation.framework_id.clone(),
            slave_id: Some(self.agent_id()),
            latest_status: Some(Box::new(status.clone())),
            status,
            operation_uuid: Some(entry.operation.uuid.clone()),
        };
        cx.send(&master, message);
        cx.arm_after(Timer::OperationRetry(uuid), retry);
    }

    /// Nothing is in flight without a master.
    pub(crate) fn pause_operations(&mut self, cx: &mut Context<'_>) {
        for (uuid, entry) in &mut self.agent_resources.operations {
            if entry.retry.take().is_some() {
                cx.disarm(Timer::OperationRetry(*uuid));
            }
        }
    }

    /// After the master has been told of the operations: it ignores the status of one it does not know.
    pub(crate) fn resume_operations(&mut self, cx: &mut Context<'_>) {
        let known: Vec<Uuid> = self.agent_resources.operations.keys().copied().collect();
        for uuid in known {
            self.forward_operation(cx, uuid);
        }
    }

    /// The scheduler that was told may be gone, and the next repetition minutes away.
    pub(crate) fn restart_operations(&mut self, cx: &mut Context<'_>, framework: &v1::FrameworkId) {
        let is_theirs = |operation: &v1::Operation| operation.framework_id.as_ref() == Some(framework);
        let theirs = self.agent_resources.operations.iter_mut().filter(|(_, entry)| is_theirs(&entry.operation));
        let in_flight: Vec<Uuid> = theirs.filter_map(|(uuid, entry)| entry.retry.take().map(|_| *uuid)).collect();
        for uuid in in_flight {
            self.forward_operation(cx, uuid);
        }
    }

    pub(crate) fn operation_acknowledged(
        &mut self,
        cx: &mut Context<'_>,
        message: &internal::AcknowledgeOperationStatusMessage,
    ) {
        let Ok(uuid) = Uuid::from_slice(&message.operation_uuid.value) else { return };
        let Some(entry) = self.agent_resources.operations.get(&uuid) else { return };
        let expected = entry.operation.latest_status.uuid.as_ref();
        if !entry.durable || expected != Some(&message.status_uuid) {
            tracing::debug!("ignoring an acknowledgement of operation {uuid}: that status is not in flight");
            return;
        }
        let reported = entry.reported;
        self.agent_resources.operations.remove(&uuid);
        self.pending_writes.store(cx, Record::OperationDone { operation: uuid });
        cx.disarm(Timer::OperationRetry(uuid));
        self.publish_operations(cx);
        if reported && self.master.is_registered() {
            // The acknowledgement may be of before the report, read late. The master would keep for ever what it has
            // entered from the report: nobody is left to acknowledge it.
            self.update_slave(cx);
        }
        self.finish_drain_if_empty(cx);
    }

    /// A master asks about operations that the agent did not list: silence means that it knows them. A framework's
    /// question is handed on with the framework's id, and always answered.
    pub(crate) fn reconcile_operations(&mut self, cx: &mut Context<'_>, message: internal::ReconcileOperationsMessage) {
        let framework = message.framework_id;
        for asked in message.operations {
            let known = self.find_operation(framework.as_ref(), &asked);
            match (&framework, known, asked.operation_uuid) {
                (None, None, Some(uuid)) => {
                    if let Ok(uuid) = Uuid::from_slice(&uuid.value) {
                        self.agent_resources.drop_operation(uuid);
                    }
                    self.send_dropped(cx, None, uuid, None);
                }
                (None, ..) => {}
                (Some(framework), Some((uuid, status)), _) => {
                    self.send_operation_status(cx, Some(framework.clone()), Some(uuid), status);
                }
                (Some(framework), None, uuid) => {
                    let status = v1::OperationStatus {
                        operation_id: asked.operation_id,
                        resource_provider_id: asked.resource_provider_id,
                        ..self.status(OperationState::OperationUnknown)
                    };
                    self.send_operation_status(cx, Some(framework.clone()), uuid, status);
                }
            }
        }
    }

    /// Its uuid, and its status without one: an answer is not repeated, so there is nothing to acknowledge.
    fn find_operation(
        &self,
        framework: Option<&v1::FrameworkId>,
        asked: &internal::reconcile_operations_message::Operation,
    ) -> Option<(v1::Uuid, v1::OperationStatus)> {
        let mut operations = self.agent_resources.operations.values().map(|entry| &entry.operation);
        let found = match &asked.operation_uuid {
            Some(uuid) => operations.find(|operation| operation.uuid == *uuid),
            None => operations.find(|operation| {
                operation.framework_id.as_ref() == framework
                    && operation.info.id.is_some()
                    && operation.info.id == asked.operation_id
            }),
        }?;
        Some((found.uuid.clone(), v1::OperationStatus { uuid: None, ..found.latest_status.clone() }))
    }

    /// The operation never came to anything here. Not repeated: a master that misses it asks at the next registration.
    pub(super) fn send_dropped(
        &self,
        cx: &mut Context<'_>,
        framework: Option<v1::FrameworkId>,
        operation: v1::Uuid,
        message: Option<String>,
    ) {
        let status = v1::OperationStatus { message, ..self.status(OperationState::OperationDropped) };
        self.send_operation_status(cx, framework, Some(operation), status);
    }

    /// With the name of the operation: its master may not know it.
    pub(super) fn send_outdated(&self, cx: &mut Context<'_>, message: internal::ApplyOperationMessage) {
        let status = v1::OperationStatus {
            operation_id: message.operation_info.id,
            message: Some("Operation assumes outdated resource state".to_owned()),
            ..self.status(OperationState::OperationDropped)
        };
        self.send_operation_status(cx, message.framework_id, Some(message.operation_uuid), status);
    }

    fn status(&self, state: OperationState) -> v1::OperationStatus {
        v1::OperationStatus { state: state as i32, agent_id: Some(self.agent_id()), ..Default::default() }
    }

    fn send_operation_status(
        &self,
        cx: &mut Context<'_>,
        framework_id: Option<v1::FrameworkId>,
        operation_uuid: Option<v1::Uuid>,
        status: v1::OperationStatus,
    ) {
        let Some(master) = self.master.pid().cloned() else { return };
        let message = internal::UpdateOperationStatusMessage {
            framework_id,
            slave_id: Some(self.agent_id()),
            status,
            latest_status: None,
            operation_uuid,
        };
        cx.send(&master, message);
    }
}
