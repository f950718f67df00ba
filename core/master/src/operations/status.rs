//! The statuses of operations: updates of agents, acknowledgements of frameworks.

use std::time::Duration;

use messages::{internal, v1};
use model::master::{Change, OperationUuid};
use model::{AgentId, FrameworkId, Upid};
use resources::{Conversion, Resources};
use v1::OperationState;

use super::apply::{convert_provider, remove_operation, set_total};
use super::index::Operations;
use super::spec::is_terminal;
use super::total_in_doubt::{mark_total_in_doubt, resolve_total_in_doubt};
use crate::agents::Agents;
use crate::allocation::{allocator_update_agent, recover_resources};
use crate::frameworks::Frameworks;
use crate::interface::Context;
use crate::peers::is_process_of;
use crate::state::State;

/// The time after the return of its agent for which an operation of an unknown framework waits for the framework.
const ADOPTION_DELAY: Duration = Duration::from_secs(10 * 60);

pub(crate) fn operation_status_update(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    mut message: internal::UpdateOperationStatusMessage,
) {
    state.metrics.messages_operation_status_update.increment();
    let agent = message.slave_id.as_ref().map_or("", |id| id.value.as_str());
    if !is_process_of(&state.agents, from, agent) {
        return state.metrics.invalid_operation_status_updates.increment();
    }
    let Some(uuid) = &message.operation_uuid else {
        // The status is the agent's answer to a reconciliation by the framework.
        return forward_operation_status(&state.frameworks, cx, message.framework_id.as_ref(), message.status);
    };
    let known = OperationUuid::from_proto(uuid).and_then(|uuid| state.operations.get(uuid));
    let Some(operation) = known.filter(|operation| operation.agent.as_str() == agent) else {
        // A message without a framework repeats the answer to a reconciliation by the master.
        if message.framework_id.is_some() {
            forward_operation_status(&state.frameworks, cx, message.framework_id.as_ref(), message.status);
            state.metrics.invalid_operation_status_updates.increment();
        }
        return;
    };
    state.metrics.valid_operation_status_updates.increment();
    if is_unknown_to_agent(&message) && is_terminal(operation.state()) {
        // A report that crossed the acknowledgement of the operation's end entered it here again, and the agent was
        // asked about it, then or even before the update of its end. The end that was forwarded stays. (Mesos sends the
        // framework OPERATION_DROPPED after OPERATION_FINISHED.)
        let uuid = operation.uuid;
        return remove_operation(state, cx, uuid);
    }
    // An agent that does not know the operation any more knows neither its name nor its framework.
    if let Some(name) = operation.name().cloned() {
        message.status.operation_id = Some(name.clone());
        if let Some(latest) = &mut message.latest_status {
            latest.operation_id = Some(name);
        }
    }
    let (uuid, id) = (operation.uuid, operation.agent.clone());
    let own = operation.provider.is_none();
    let latest = message.latest_status.map_or_else(|| message.status.clone(), |latest| *latest);
    update_operation(state, cx, uuid, &latest, true);
    if own && is_terminal(latest.state()) {
        if latest.state() != OperationState::OperationFinished {
            mark_total_in_doubt(&mut state.agents, &id);
        }
        resolve_total_in_doubt(&state.agents, &state.operations, cx, &id);
    }
    forward_or_acknowledge(state, cx, uuid, message.status);
}

/// Updates an operation. `convert` says whether its result is not part of the agent's total yet.
pub(super) fn update_operation(
    state: &mut State,
    cx: &mut Context<'_>,
    uuid: OperationUuid,
    status: &v1::OperationStatus,
    convert: bool,
) {
    let Some(operation) = state.operations.get_mut(uuid) else { return };
    let (kind, before) = (operation.proto.info.r#type(), operation.state());
    let ended = operation.record(status);
    let (after, proto) = (operation.state(), operation.proto.clone());
    if before != after {
        state.metrics.operations.add(kind, before, -1);
        state.metrics.operations.add(kind, after, 1);
    }
    cx.publish(Change::OperationUpdated(proto));
    if ended {
        end_operation(state, cx, uuid, convert);
    }
}

/// Ends an operation: its resources are free, or have been converted.
fn end_operation(state: &mut State, cx: &mut Context<'_>, uuid: OperationUuid, convert: bool) {
    let Some(operation) = state.operations.get_mut(uuid) else { return };
    let held = operation.take_held();
    if held.is_empty() {
        return;
    }
    let (agent, orphan) = (operation.agent.clone(), operation.is_orphan());
    let status = &operation.proto.latest_status;
    let finished = status.state() == OperationState::OperationFinished;
    let converted = Resources::from_proto(&status.converted_resources).unwrap_or_default();
    let (framework, provider) = (operation.framework.clone(), operation.provider.clone());
    state.metrics.used.subtract(&held);
    let Some(total) = state.agents.get(agent.as_str()).map(|agent| agent.snapshot().total.clone()) else { return };
    if finished && convert {
        let step = Conversion { consumed: held.clone(), converted: converted.clone() };
        convert_provider(&mut state.agents, &agent, provider.as_ref(), &step);
    }
    match framework {
        Some(framework) if !orphan => {
            let (mut free, mut total) = (held.clone(), total);
            if finished && convert {
                let role = held.allocation_roles().pop_first();
                let converted = role.map_or_else(|| converted.clone(), |role| converted.allocated(&role));
                state.allocator.update_allocation(&framework, &agent, &held, &converted);
                total = total - held.unallocated() + converted.unallocated();
                free = converted;
                set_total(&mut state.agents, &state.metrics, cx, &agent, total);
            }
            recover_resources(&mut state.allocator, cx, &framework, &agent, &free, None);
        }
        // The total is without the resources of an orphan; a report that already has the result leaves it so.
        _ => {
            let back = if finished { converted.unallocated() } else { held.unallocated() };
            if !finished || convert {
                set_total(&mut state.agents, &state.metrics, cx, &agent, total + back);
                allocator_update_agent(&mut state.allocator, &state.agents, &agent);
            }
        }
    }
}

/// Forwards a status to the framework if it asked for feedback and can acknowledge it; otherwise the master
/// acknowledges.
fn forward_or_acknowledge(state: &mut State, cx: &mut Context<'_>, uuid: OperationUuid, status: v1::OperationStatus) {
    let Some(operation) = state.operations.get(uuid) else { return };
    let forwarded = operation.forwarded_status();
    let (forwarded_uuid, over) = (forwarded.uuid.clone(), is_terminal(forwarded.state()));
    let framework = operation.framework.clone();
    let acknowledged_by_framework = operation.name().is_some()
        && !operation.is_orphan()
        && framework.as_ref().is_some_and(|id| !state.frameworks.is_completed(id.as_str()));
    if acknowledged_by_framework {
        forward_operation_status(&state.frameworks, cx, framework.map(|id| id.to_proto()).as_ref(), status);
        if over && forwarded_uuid.is_none() {
            remove_operation(state, cx, uuid);
        }
        return;
    }
    if let Some(status_uuid) = forwarded_uuid {
        if may_be_adopted(&state.agents, &state.frameworks, &state.operations, cx, uuid) {
            return;
        }
        acknowledge_to_agent(&state.agents, &state.operations, cx, uuid, status_uuid);
    }
    if over {
        remove_operation(state, cx, uuid);
    }
}

/// Returns whether the operation's framework may still subscribe: after a failover of the master an agent may return
/// before the framework does.
fn may_be_adopted(
    agents: &Agents,
    frameworks: &Frameworks,
    operations: &Operations,
    cx: &Context<'_>,
    uuid: OperationUuid,
) -> bool {
    let Some(operation) = operations.get(uuid).filter(|o| o.is_orphan() && o.name().is_some()) else {
        return false;
    };
    let Some(agent) = agents.get(operation.agent.as_str()) else { return false };
    let known = operation.framework.as_ref().is_some_and(|id| !frameworks.is_completed(id.as_str()));
    let waits =
        |since: model::Timestamp| cx.now.wall.nanos().saturating_sub(since.nanos()) < ADOPTION_DELAY.as_nanos() as u64;
    known && agent.snapshot().reregistered.is_some_and(waits)
}

fn acknowledge_to_agent(
    agents: &Agents,
    operations: &Operations,
    cx: &mut Context<'_>,
    uuid: OperationUuid,
    status_uuid: v1::Uuid,
) {
    let Some(operation) = operations.get(uuid) else { return };
    let Some(agent) = agents.get(operation.agent.as_str()) else { return };
    cx.send(
        &agent.snapshot().pid,
        internal::AcknowledgeOperationStatusMessage {
            status_uuid,
            operation_uuid: uuid.to_proto(),
            resource_provider_id: operation.provider.clone(),
        },
    );
}

fn forward_operation_status(
    frameworks: &Frameworks,
    cx: &mut Context<'_>,
    framework: Option<&v1::FrameworkId>,
    status: v1::OperationStatus,
) {
    if let Some(framework) = framework.and_then(|id| frameworks.get(&id.value)) {
        framework.listener().operation_status(cx, status);
    }
}

/// Handles ACKNOWLEDGE_OPERATION_STATUS.
pub(crate) fn acknowledge_operation_status(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: v1::scheduler::call::AcknowledgeOperationStatus,
) {
    state.metrics.messages_operation_status_update_acknowledgement.increment();
    match acknowledged_operation(&state.agents, &state.operations, framework, &call) {
        None => state.metrics.invalid_operation_status_update_acknowledgements.increment(),
        Some((uuid, operation_state)) => {
            state.metrics.valid_operation_status_update_acknowledgements.increment();
            acknowledge_as_framework(&state.agents, &state.operations, cx, uuid, call);
            if is_terminal(operation_state) {
                remove_operation(state, cx, uuid);
            }
        }
    }
}

/// Acknowledges a status. The provider is the one that the framework names, as in Mesos.
fn acknowledge_as_framework(
    agents: &Agents,
    operations: &Operations,
    cx: &mut Context<'_>,
    uuid: OperationUuid,
    call: v1::scheduler::call::AcknowledgeOperationStatus,
) {
    let Some(agent) = operations.get(uuid).and_then(|o| agents.get(o.agent.as_str())) else { return };
    cx.send(
        &agent.snapshot().pid,
        internal::AcknowledgeOperationStatusMessage {
            status_uuid: v1::Uuid { value: call.uuid },
            operation_uuid: uuid.to_proto(),
            resource_provider_id: call.resource_provider_id,
        },
    );
}

/// Returns the operation and the state that are acknowledged, if they are known and the agent supports
/// acknowledgements.
fn acknowledged_operation(
    agents: &Agents,
    operations: &Operations,
    framework: &FrameworkId,
    call: &v1::scheduler::call::AcknowledgeOperationStatus,
) -> Option<(OperationUuid, OperationState)> {
    let agent = AgentId::from(call.agent_id.as_ref()?);
    let capabilities = agents.get(agent.as_str()).filter(|agent| agent.snapshot().connected)?.capabilities();
    let can = match call.resource_provider_id {
        Some(_) => capabilities.resource_provider,
        None => capabilities.operation_feedback,
    };
    let operation = operations.by_name(framework.as_str(), &call.operation_id.value)?;
    let has_uuid = |status: &&v1::OperationStatus| status.uuid.as_ref().is_some_and(|uuid| uuid.value == call.uuid);
    let status = operation.proto.statuses.iter().find(has_uuid)?;
    (can && operation.agent == agent).then(|| (operation.uuid, status.state()))
}

/// Returns whether the message answers a reconciliation by the master: the agent does not know the operation. It names
/// no framework, and does not wait for an acknowledgement.
fn is_unknown_to_agent(message: &internal::UpdateOperationStatusMessage) -> bool {
    let status = &message.status;
    message.framework_id.is_none() && status.uuid.is_none() && status.state() == OperationState::OperationDropped
}
