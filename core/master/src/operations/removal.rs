//! Operations whose agent or framework is removed.

use messages::v1;
use model::master::AgentRemoval;
use model::{AgentId, FrameworkId};
use v1::OperationState;

use super::apply::{remove_operation, set_total};
use crate::interface::Context;
use crate::state::State;

/// Removes the operations of an agent that is being removed. Connected frameworks are sent their last status, the
/// others can reconcile; later reconciliations are answered from the state of the agent.
pub(crate) fn remove_operations_on_agent(
    state: &mut State,
    cx: &mut Context<'_>,
    agent: &AgentId,
    removal: AgentRemoval,
) {
    let ending = match removal {
        AgentRemoval::Removed(_) => None,
        AgentRemoval::Unreachable(_) => Some((OperationState::OperationUnreachable, "Agent was marked unreachable")),
        AgentRemoval::Gone => Some((OperationState::OperationGoneByOperator, "Agent has been marked gone")),
    };
    for uuid in state.operations.on_agent(agent.as_str()) {
        let Some(operation) = state.operations.get(uuid) else { continue };
        if let Some((operation_state, message)) = ending {
            state.metrics.operations.add(operation.proto.info.r#type(), operation_state, 1);
            let framework = operation.framework.as_ref().and_then(|id| state.frameworks.get(id.as_str()));
            if let (Some(framework), Some(name)) = (framework, operation.name()) {
                let status = v1::OperationStatus {
                    operation_id: Some(name.clone()),
                    state: operation_state as i32,
                    message: Some(message.to_owned()),
                    agent_id: Some(agent.to_proto()),
                    resource_provider_id: operation.provider.clone(),
                    ..Default::default()
                };
                framework.listener().operation_status(cx, status);
            }
        }
        remove_operation(state, cx, uuid);
    }
}

/// Orphans the operations of a framework that is being removed. The resources of its pending operations are removed
/// from their agents' totals, since they are accounted to nobody any more. Returns these agents, which the caller
/// reports to the allocator afterwards.
pub(crate) fn orphan_operations_of(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId) -> Vec<AgentId> {
    let mut agents = Vec::new();
    for uuid in state.operations.of_framework(framework.as_str()) {
        let Some(operation) = state.operations.get_mut(uuid) else { continue };
        operation.make_orphan();
        if operation.held().is_empty() {
            continue;
        }
        let (id, held) = (operation.agent.clone(), operation.held().unallocated());
        let Some(total) = state.agents.get(id.as_str()).map(|agent| agent.snapshot().total.clone()) else { continue };
        set_total(&mut state.agents, &state.metrics, cx, &id, total - held);
        agents.push(id);
    }
    agents
}

/// Adopts the operations of a framework that has become known (again), also to the allocator: their resources are
/// accounted to it.
pub(crate) fn adopt_operations_of(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId) {
    for uuid in state.operations.of_framework(framework.as_str()) {
        let Some(operation) = state.operations.get_mut(uuid).filter(|operation| operation.is_orphan()) else {
            continue;
        };
        operation.adopt();
        let (id, held) = (operation.agent.clone(), operation.held().clone());
        let Some(total) = state.agents.get(id.as_str()).map(|agent| agent.snapshot().total.clone()) else { continue };
        if !held.is_empty() {
            state.allocator.update_allocation(framework, &id, &resources::Resources::new(), &held);
            set_total(&mut state.agents, &state.metrics, cx, &id, total + held.unallocated());
        }
    }
}
