//! The application of an operation: its result in the agent's total, and the message to the agent.

use messages::{internal, v1};
use model::master::{Change, OperationUuid};
use model::{AgentId, FrameworkId};
use resources::{Conversion, Resources, conversions};

use super::index::{Operation, Operations};
use super::spec::{is_speculative, provider_of};
use crate::agents::{Agents, send_checkpointed_resources};
use crate::allocation::recover_used;
use crate::draining::check_drained;
use crate::interface::Context;
use crate::state::State;
use model::master::Metrics;

/// Returns the agent's new total. Agents know no allocation.
pub(super) fn total_after(
    agents: &Agents,
    agent: &AgentId,
    operation: &v1::offer::Operation,
) -> Result<Option<Resources>, resources::Error> {
    let Some(agent) = agents.get(agent.as_str()).filter(|_| is_speculative(operation)) else {
        return Ok(None);
    };
    let steps: Vec<Conversion> = conversions(operation)?.iter().map(Conversion::unallocated).collect();
    agent.snapshot().total.apply_all(&steps).map(Some)
}

/// Enters the result of a speculative operation, and sends it to the agent: as an operation of its own that is reported
/// back, or, for agents from before resource providers, as the complete list of what to checkpoint.
pub(super) fn apply_operation(
    state: &mut State,
    cx: &mut Context<'_>,
    agent: &AgentId,
    framework: Option<&FrameworkId>,
    operation: v1::offer::Operation,
    total: Option<Resources>,
) {
    let steps = if total.is_some() { conversions(&operation).unwrap_or_default() } else { Vec::new() };
    if let Some(total) = total {
        set_total(&mut state.agents, &state.metrics, cx, agent, total);
    }
    let Some(version) = resource_version(&state.agents, agent, &operation) else {
        return send_checkpointed_resources(&state.agents, cx, agent);
    };
    let provider = provider_of(&operation);
    for step in &steps {
        convert_provider(&mut state.agents, agent, provider.as_ref(), step);
    }
    let uuid = state.operations.next_uuid();
    track(&state.metrics, &mut state.operations, cx, agent, framework, uuid, operation.clone());
    if let Some(agent) = state.agents.get(agent.as_str()) {
        cx.send(
            &agent.snapshot().pid,
            internal::ApplyOperationMessage {
                framework_id: framework.map(FrameworkId::to_proto),
                operation_info: operation,
                operation_uuid: uuid.to_proto(),
                resource_version_uuid: version,
            },
        );
    }
}

pub(crate) fn set_total(agents: &mut Agents, metrics: &Metrics, cx: &mut Context<'_>, id: &AgentId, total: Resources) {
    let Some(agent) = agents.get_mut(id.as_str()) else { return };
    agent.set_total(metrics, total);
    cx.publish(Change::AgentUpdated(agent.snapshot().clone()));
}

/// Returns the version of the resources that the operation is meant for; `None` for agents without resource versions.
fn resource_version(
    agents: &Agents,
    agent: &AgentId,
    operation: &v1::offer::Operation,
) -> Option<internal::ResourceVersionUuid> {
    let agent = agents.get(agent.as_str()).filter(|agent| agent.capabilities().resource_provider)?;
    let resource_provider_id = provider_of(operation);
    let uuid = match &resource_provider_id {
        None => agent.resource_version().cloned()?,
        Some(provider) => agent.providers().get(&provider.value)?.version.clone(),
    };
    Some(internal::ResourceVersionUuid { resource_provider_id, uuid })
}

/// Applies the same conversion to the total of the resource provider.
pub(super) fn convert_provider(
    agents: &mut Agents,
    agent: &AgentId,
    provider: Option<&v1::ResourceProviderId>,
    step: &Conversion,
) {
    if let Some((agent, provider)) = agents.get_mut(agent.as_str()).zip(provider) {
        agent.convert_provider(&provider.value, step);
    }
}

fn track(
    metrics: &Metrics,
    operations: &mut Operations,
    cx: &mut Context<'_>,
    agent: &AgentId,
    framework: Option<&FrameworkId>,
    uuid: OperationUuid,
    info: v1::offer::Operation,
) {
    let latest_status = v1::OperationStatus {
        operation_id: info.id.clone(),
        state: v1::OperationState::OperationPending as i32,
        agent_id: Some(agent.to_proto()),
        resource_provider_id: provider_of(&info),
        ..Default::default()
    };
    let proto = v1::Operation {
        framework_id: framework.map(FrameworkId::to_proto),
        agent_id: Some(agent.to_proto()),
        info,
        latest_status,
        statuses: Vec::new(),
        uuid: uuid.to_proto(),
    };
    add_operation(metrics, operations, cx, Operation::new(uuid, proto, agent.clone()));
}

pub(super) fn add_operation(
    metrics: &Metrics,
    operations: &mut Operations,
    cx: &mut Context<'_>,
    operation: Operation,
) {
    metrics.operations.add(operation.proto.info.r#type(), operation.state(), 1);
    metrics.used.add(operation.held());
    cx.publish(Change::OperationAdded(operation.proto.clone()));
    operations.insert(operation);
}

/// Removes an operation and recovers the resources that it still has.
pub(super) fn remove_operation(state: &mut State, cx: &mut Context<'_>, uuid: OperationUuid) {
    let Some(operation) = state.operations.remove(uuid) else { return };
    // Operations that ended stay counted.
    if !super::spec::is_terminal(operation.state()) {
        state.metrics.operations.add(operation.proto.info.r#type(), operation.state(), -1);
    }
    if let Some(framework) =
        operation.framework.as_ref().filter(|_| !operation.is_orphan() && !operation.held().is_empty())
    {
        recover_used(&mut state.allocator, &state.metrics, cx, framework, &operation.agent, operation.held());
    }
    cx.publish(Change::OperationRemoved(uuid));
    check_drained(state, cx, &operation.agent);
}
