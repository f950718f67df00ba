//! The application of a master's operation: to resources, to volumes on the disk, and its status.

use std::sync::Arc;

use messages::v1::OperationState;
use messages::{Message, internal, v1};
use model::agent::Change;
use model::{FrameworkId, TaskId};
use resources::{Conversion, Resources, conversions};
use uuid::Uuid;

use super::agent_resources::AgentResources;
use super::operation_status_updates::OperationStatusUpdates;
use crate::dispatch;
use crate::effects::{Command, Context, Record};
use crate::frameworks::index::Frameworks;
use crate::operations::status;
use crate::pending_writes::Continuation;
use crate::registration::identity::Identity;
use crate::registration::register;
use crate::state::State;

#[derive(Debug, thiserror::Error)]
enum OperationRejected {
    #[error(transparent)]
    Resources(#[from] resources::Error),
    #[error("too many operations are not acknowledged")]
    TooMany,
    #[error("operations on resources of a resource provider are not supported")]
    Provider,
}

/// Continues a transition that recovery found.
pub(crate) fn resume_recovered_operations(state: &mut State, cx: &mut Context<'_>) {
    if !state.operation_status_updates.is_empty() {
        publish_operations(&state.operation_status_updates, cx);
    }
    change_volumes(&state.agent_resources, cx);
    process_deferred(state, cx);
}

/// Ignores an operation of a master that has registered this agent, whose answer was lost. A status would name no agent,
/// so that it could never be acknowledged. The master reconciles an operation that the registered agent does not report.
pub(crate) fn ignore_before_registration(state: &mut State, message: &internal::ApplyOperationMessage) {
    if let Ok(uuid) = Uuid::from_slice(&message.operation_uuid.value) {
        tracing::warn!("ignoring operation {uuid}, which came before the registration");
        state.operation_status_updates.note_dropped(uuid);
    }
}

/// Applies an operation. The master has converted the resources already, so an operation that cannot be applied means
/// that the two disagree about the resources. A Mesos agent aborts; this one reports it and registers again, which
/// makes the two agree.
pub(crate) fn apply_operation(state: &mut State, cx: &mut Context<'_>, message: internal::ApplyOperationMessage) {
    let Ok(uuid) = Uuid::from_slice(&message.operation_uuid.value) else {
        tracing::warn!("ignoring an operation without a valid uuid");
        return;
    };
    if state.operation_status_updates.contains(uuid) {
        return;
    }
    if state.operation_status_updates.was_dropped(uuid) {
        tracing::info!("operation {uuid} comes after it was reported as dropped");
        return status::send_dropped(state, cx, message.framework_id, message.operation_uuid, None);
    }
    if is_outdated(&state.identity, &message.resource_version_uuid) {
        tracing::warn!("operation {uuid} was decided upon before the connection to the master broke");
        state.operation_status_updates.note_dropped(uuid);
        return status::send_outdated(state, cx, message);
    }
    match converted(state, &message.operation_info) {
        Ok(total) => {
            let operation = finished(state, message);
            state.operation_status_updates.add(uuid, operation.clone());
            publish_operations(&state.operation_status_updates, cx);
            change_total(state, cx, total, Some((uuid, operation)));
        }
        Err(refused) => {
            tracing::error!("cannot apply operation {uuid}: {refused}");
            status::send_dropped(state, cx, message.framework_id, message.operation_uuid, Some(refused.to_string()));
            register::disconnect(state, cx);
        }
    }
}

/// Replaces all checkpointed resources at once, for masters before 1.5 and those that take the agent for an older one.
pub(crate) fn checkpoint_resources(
    state: &mut State,
    cx: &mut Context<'_>,
    message: &internal::CheckpointResourcesMessage,
) {
    let checkpointed = Resources::from_proto(&message.resources);
    match checkpointed.and_then(|checkpointed| state.config.resources.with_checkpointed(&checkpointed)) {
        Ok(total) if total.checkpointed() == state.agent_resources.total().checkpointed() => {}
        Ok(total) => change_total(state, cx, total, None),
        Err(error) => {
            tracing::error!("cannot apply the checkpointed resources of the master: {error}");
            register::disconnect(state, cx);
        }
    }
}

/// Returns whether the operation was decided upon for another version, as for tasks: the present master may not know
/// it, and may have told the framework so. Masters from before resource providers name no version.
fn is_outdated(identity: &Identity, version: &internal::ResourceVersionUuid) -> bool {
    let own = version.resource_provider_id.is_none() && !version.uuid.value.is_empty();
    own && !identity.is_resource_version(&version.uuid.value)
}

fn converted(state: &State, operation: &v1::offer::Operation) -> Result<Resources, OperationRejected> {
    if state.operation_status_updates.is_full() {
        return Err(OperationRejected::TooMany);
    }
    // The agent's own resources are allocated to nobody.
    let conversions: Vec<Conversion> = conversions(operation)?.iter().map(Conversion::unallocated).collect();
    let foreign = |resources: &Resources| resources.iter().any(|resource| resource.provider_id().is_some());
    if conversions.iter().any(|conversion| foreign(&conversion.consumed)) {
        return Err(OperationRejected::Provider);
    }
    Ok(state.agent_resources.total().apply_all(&conversions)?)
}

fn finished(state: &mut State, message: internal::ApplyOperationMessage) -> Arc<v1::Operation> {
    let status = v1::OperationStatus {
        operation_id: message.operation_info.id.clone(),
        state: OperationState::OperationFinished as i32,
        uuid: Some(v1::Uuid { value: state.random.uuid().as_bytes().to_vec() }),
        agent_id: Some(state.identity.proto()),
        ..Default::default()
    };
    Arc::new(v1::Operation {
        framework_id: message.framework_id,
        agent_id: Some(state.identity.proto()),
        info: message.operation_info,
        latest_status: status.clone(),
        statuses: vec![status],
        uuid: message.operation_uuid,
    })
}

fn change_total(
    state: &mut State,
    cx: &mut Context<'_>,
    total: Resources,
    operation: Option<(Uuid, Arc<v1::Operation>)>,
) {
    let changes = state.agent_resources.changes(&state.config.work_dir, &total);
    let (uuid, operation) = operation.unzip();
    if changes.is_empty() {
        return commit(state, cx, total, uuid, operation);
    }
    let record = Record::Resources {
        resources: state.agent_resources.checkpointed().into(),
        target: Some(total.checkpointed().to_proto().into()),
        operation,
    };
    state.agent_resources.begin(total, changes, uuid);
    state.pending_writes.store_then(cx, record, Continuation::Transition);
}

/// Changes volumes once the transition is recorded.
pub(crate) fn change_volumes(agent_resources: &AgentResources, cx: &mut Context<'_>) {
    if let Some(transition) = agent_resources.transition() {
        cx.command(Command::Volumes { number: transition.number, changes: transition.changes.clone() });
    }
}

pub(crate) fn volumes_ready(state: &mut State, cx: &mut Context<'_>, number: u64, failed: Option<String>) {
    if state.agent_resources.transition().is_none_or(|transition| transition.number != number) {
        return;
    }
    if let Some(reason) = failed {
        // As in Mesos: the master relies on the volumes, and no message could tell it otherwise. The transition is
        // recorded, so a restarted agent tries again before it registers.
        return cx.command(Command::Terminate(format!("Failed to sync checkpointed resources: {reason}")));
    }
    let Some((total, operation)) = state.agent_resources.finish(number) else { return };
    commit(state, cx, total, operation, None);
    process_deferred(state, cx);
}

fn process_deferred(state: &mut State, cx: &mut Context<'_>) {
    while state.agent_resources.transition().is_none()
        && let Some(message) = state.deferred_messages.next()
    {
        if !is_obsolete_kill(&state.frameworks, &message) {
            dispatch::master_message(state, cx, message);
        }
    }
}

/// Returns whether a kill is obsolete: it waited with the launch of its task, which has ended since; the end has been
/// reported, and may have been acknowledged.
fn is_obsolete_kill(frameworks: &Frameworks, message: &Message) -> bool {
    let Message::KillTask(kill) = message else { return false };
    !frameworks.has_task(&FrameworkId::from(&kill.framework_id), &TaskId::from(&kill.task_id))
}

fn commit(
    state: &mut State,
    cx: &mut Context<'_>,
    total: Resources,
    uuid: Option<Uuid>,
    operation: Option<Arc<v1::Operation>>,
) {
    state.metrics.set_total(&total);
    state.agent_resources.commit(total);
    let record = Record::Resources { resources: state.agent_resources.checkpointed().into(), target: None, operation };
    state.pending_writes.store_then(cx, record, Continuation::Resources { operation: uuid });
    register::publish_agent(state, cx);
}

pub(crate) fn resources_stored(state: &mut State, cx: &mut Context<'_>, operation: Option<Uuid>) {
    state.agent_resources.commit_stored();
    let Some(uuid) = operation else { return };
    state.operation_status_updates.stored(uuid);
    status::forward_operation(state, cx, uuid);
}

pub(crate) fn publish_operations(updates: &OperationStatusUpdates, cx: &mut Context<'_>) {
    cx.publish(Change::Operations(updates.all()));
}
