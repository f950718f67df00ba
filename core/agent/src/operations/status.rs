//! Operation status updates: the final status of an operation is sent until it is acknowledged, and masters and
//! frameworks may ask for it. Operations on an agent's own resources have no other status.

use std::time::Duration;

use messages::v1::OperationState;
use messages::{internal, v1};
use uuid::Uuid;

use super::operation_status_updates::OperationStatusUpdates;
use crate::draining::emptying;
use crate::effects::{Context, Record, Timer};
use crate::operations::apply;
use crate::registration::identity::Identity;
use crate::registration::register;
use crate::state::State;

/// Puts a status in flight that is durable and not in flight yet.
pub(crate) fn forward_operation(state: &mut State, cx: &mut Context<'_>, uuid: Uuid) {
    if !state.master.is_registered() {
        return;
    }
    if let Some((operation, wait)) = state.operation_status_updates.forward_first(uuid) {
        send_operation(state, cx, uuid, &operation, wait);
    }
}

/// Sends a status again that is not acknowledged.
pub(crate) fn retry_operation(state: &mut State, cx: &mut Context<'_>, uuid: Uuid) {
    if !state.master.is_registered() {
        return;
    }
    if let Some((operation, wait)) = state.operation_status_updates.retry(uuid) {
        send_operation(state, cx, uuid, &operation, wait);
    }
}

fn send_operation(state: &State, cx: &mut Context<'_>, uuid: Uuid, operation: &v1::Operation, wait: Duration) {
    let Some(master) = state.master.pid() else { return };
    let status = operation.latest_status.clone();
    let message = internal::UpdateOperationStatusMessage {
        framework_id: operation.framework_id.clone(),
        slave_id: Some(state.identity.proto()),
        latest_status: Some(Box::new(status.clone())),
        status,
        operation_uuid: Some(operation.uuid.clone()),
    };
    cx.send(master, message);
    cx.arm_after(Timer::OperationRetry(uuid), wait);
}

/// Marks every status as not in flight, since there is no master.
pub(crate) fn pause_operations(updates: &mut OperationStatusUpdates, cx: &mut Context<'_>) {
    for uuid in updates.pause() {
        cx.disarm(Timer::OperationRetry(uuid));
    }
}

/// Forwards every status after the master has been told of the operations: it ignores the status of an operation that
/// it does not know.
pub(crate) fn resume_operations(state: &mut State, cx: &mut Context<'_>) {
    for uuid in state.operation_status_updates.ids() {
        forward_operation(state, cx, uuid);
    }
}

/// Forwards a framework's statuses again: the scheduler that they were sent to may be gone, and the next repetition may
/// be minutes away.
pub(crate) fn restart_operations(state: &mut State, cx: &mut Context<'_>, framework: &v1::FrameworkId) {
    for uuid in state.operation_status_updates.restart(framework) {
        forward_operation(state, cx, uuid);
    }
}

/// Removes an operation whose status is acknowledged.
pub(crate) fn operation_acknowledged(
    state: &mut State,
    cx: &mut Context<'_>,
    message: &internal::AcknowledgeOperationStatusMessage,
) {
    let Ok(uuid) = Uuid::from_slice(&message.operation_uuid.value) else { return };
    let Some(acknowledged) = state.operation_status_updates.acknowledge(uuid, &message.status_uuid) else {
        tracing::debug!("ignoring an acknowledgement of operation {uuid}: that status is not in flight");
        return;
    };
    state.pending_writes.store(cx, Record::OperationDone { operation: uuid });
    cx.disarm(Timer::OperationRetry(uuid));
    apply::publish_operations(&state.operation_status_updates, cx);
    if acknowledged.reported && state.master.is_registered() {
        // The acknowledgement may have been made before the report, and read late. The master would keep the operation
        // that it has entered from the report for ever, since nobody is left to acknowledge it.
        register::update_slave(state, cx);
    }
    emptying::finish_drain_if_empty(state, cx);
}

/// Answers a reconciliation. A master asks about operations that the agent did not list: no answer means that it knows
/// them. A framework's question is forwarded with the framework's id, and always answered.
pub(crate) fn reconcile_operations(
    state: &mut State,
    cx: &mut Context<'_>,
    message: internal::ReconcileOperationsMessage,
) {
    let framework = message.framework_id;
    for asked in message.operations {
        let known = state.operation_status_updates.find(framework.as_ref(), &asked).map(answer_to_reconciliation);
        match (&framework, known, asked.operation_uuid) {
            (None, None, Some(uuid)) => {
                if let Ok(uuid) = Uuid::from_slice(&uuid.value) {
                    state.operation_status_updates.note_dropped(uuid);
                }
                send_dropped(state, cx, None, uuid, None);
            }
            (None, ..) => {}
            (Some(framework), Some((uuid, status)), _) => {
                send_operation_status(state, cx, Some(framework.clone()), Some(uuid), status);
            }
            (Some(framework), None, uuid) => {
                let status = v1::OperationStatus {
                    operation_id: asked.operation_id,
                    resource_provider_id: asked.resource_provider_id,
                    ..status(&state.identity, OperationState::OperationUnknown)
                };
                send_operation_status(state, cx, Some(framework.clone()), uuid, status);
            }
        }
    }
}

/// Sends that an operation was never applied here. It is not repeated: a master that misses it asks at the next
/// registration.
pub(crate) fn send_dropped(
    state: &State,
    cx: &mut Context<'_>,
    framework: Option<v1::FrameworkId>,
    operation: v1::Uuid,
    message: Option<String>,
) {
    let status = v1::OperationStatus { message, ..status(&state.identity, OperationState::OperationDropped) };
    send_operation_status(state, cx, framework, Some(operation), status);
}

/// Sends that an operation is outdated, with its name, since its master may not know it.
pub(crate) fn send_outdated(state: &State, cx: &mut Context<'_>, message: internal::ApplyOperationMessage) {
    let status = v1::OperationStatus {
        operation_id: message.operation_info.id,
        message: Some("Operation assumes outdated resource state".to_owned()),
        ..status(&state.identity, OperationState::OperationDropped)
    };
    send_operation_status(state, cx, message.framework_id, Some(message.operation_uuid), status);
}

fn status(identity: &Identity, state: OperationState) -> v1::OperationStatus {
    v1::OperationStatus { state: state as i32, agent_id: Some(identity.proto()), ..Default::default() }
}

fn send_operation_status(
    state: &State,
    cx: &mut Context<'_>,
    framework_id: Option<v1::FrameworkId>,
    operation_uuid: Option<v1::Uuid>,
    status: v1::OperationStatus,
) {
    let Some(master) = state.master.pid().cloned() else { return };
    let message = internal::UpdateOperationStatusMessage {
        framework_id,
        slave_id: Some(state.identity.proto()),
        status,
        latest_status: None,
        operation_uuid,
    };
    cx.send(&master, message);
}

/// Returns the uuid of an operation, and its status without one: an answer is not repeated, so there is nothing to
/// acknowledge.
fn answer_to_reconciliation(operation: &v1::Operation) -> (v1::Uuid, v1::OperationStatus) {
    (operation.uuid.clone(), v1::OperationStatus { uuid: None, ..operation.latest_status.clone() })
}
