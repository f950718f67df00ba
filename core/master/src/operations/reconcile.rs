//! RECONCILE_OPERATIONS: the master sends the statuses of a framework's operations.

use std::collections::BTreeMap;

use messages::{internal, v1};
use model::FrameworkId;
use v1::OperationState;
use v1::scheduler::call::{ReconcileOperations, reconcile_operations};

use crate::agents::{Agents, Recovery};
use crate::interface::Context;
use crate::registry::Registry;
use crate::state::State;

/// Sends the statuses of operations; of all if none is named.
pub(crate) fn reconcile_operations(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: ReconcileOperations,
) {
    state.metrics.messages_reconcile_operations.increment();
    let Some(listener) = state.frameworks.get(framework.as_str()).map(|framework| framework.listener()) else {
        return;
    };
    if call.operations.is_empty() {
        for operation in state.operations.of_framework(framework.as_str()) {
            let Some(operation) = state.operations.get(operation).filter(|operation| !operation.is_orphan()) else {
                continue;
            };
            listener.operation_status(cx, unacknowledged(operation.forwarded_status()));
        }
    }
    let mut forwarded: BTreeMap<String, internal::ReconcileOperationsMessage> = BTreeMap::new();
    for asked in call.operations {
        match answer_of(state, framework, &asked) {
            Some(status) => listener.operation_status(cx, status),
            None => forward(&mut forwarded, framework, asked),
        }
    }
    for (agent, message) in forwarded {
        if let Some(agent) = state.agents.get(&agent) {
            cx.send(&agent.snapshot().pid, message);
        }
    }
}

/// Returns the status to answer with; `None` if only the agent can answer.
fn answer_of(
    state: &State,
    framework: &FrameworkId,
    asked: &reconcile_operations::Operation,
) -> Option<v1::OperationStatus> {
    let known = state.operations.by_name(framework.as_str(), &asked.operation_id.value);
    if let Some(operation) = known.filter(|operation| !operation.is_orphan()) {
        return Some(unacknowledged(operation.forwarded_status()));
    }
    let (operation_state, message) = unknown_operation(&state.agents, &state.recovery, &state.registry, asked)?;
    Some(v1::OperationStatus {
        operation_id: Some(asked.operation_id.clone()),
        state: operation_state as i32,
        message: Some(format!("Reconciliation: {message}")),
        agent_id: asked.agent_id.clone(),
        resource_provider_id: asked.resource_provider_id.clone(),
        ..Default::default()
    })
}

fn unknown_operation(
    agents: &Agents,
    recovery: &Recovery,
    registry: &Registry,
    asked: &reconcile_operations::Operation,
) -> Option<(OperationState, &'static str)> {
    let Some(id) = asked.agent_id.as_ref().map(|id| id.value.as_str()) else {
        return Some((OperationState::OperationUnknown, "Operation is unknown and no 'agent_id' was provided"));
    };
    if recovery.contains(id) {
        let message = "Agent is recovered but has not re-registered";
        return Some((OperationState::OperationRecovering, message));
    }
    if let Some(agent) = agents.get(id) {
        // A resource provider that is absent now may still be known to its agent.
        let absent = asked.resource_provider_id.as_ref().filter(|id| !agent.providers().contains_key(&id.value));
        return match absent {
            Some(_) if agent.capabilities().operation_feedback => None,
            _ => Some((OperationState::OperationUnknown, "Operation is unknown")),
        };
    }
    if agents.unreachable(id).is_some() {
        return Some((OperationState::OperationUnreachable, "Agent is unreachable"));
    }
    if registry.durable().gone.contains_key(id) {
        return Some((OperationState::OperationGoneByOperator, "Agent marked gone by operator"));
    }
    Some((OperationState::OperationUnknown, "Both operation and agent are unknown"))
}

fn forward(
    forwarded: &mut BTreeMap<String, internal::ReconcileOperationsMessage>,
    framework: &FrameworkId,
    asked: reconcile_operations::Operation,
) {
    let Some(agent) = asked.agent_id else { return };
    let message = forwarded.entry(agent.value).or_default();
    message.framework_id = Some(framework.to_proto());
    message.operations.push(internal::reconcile_operations_message::Operation {
        operation_uuid: None,
        operation_id: Some(asked.operation_id),
        resource_provider_id: asked.resource_provider_id,
    });
}

/// Returns the status without its uuid, since nobody waits for its acknowledgement.
fn unacknowledged(status: &v1::OperationStatus) -> v1::OperationStatus {
    v1::OperationStatus { uuid: None, ..status.clone() }
}
