//! Deactivation and draining of an agent: an operator begins it, the master informs the agent, and it ends when the
//! agent is empty or the operator reactivates it.

use machine::{CallResponse, Status};
use messages::{internal, v1};
use model::AgentId;
use model::master::Change;

use super::gone::mark_gone;
use crate::agents::{ActivityChange, Agents, can_be_removed};
use crate::failures::observe;
use crate::interface::Context;
use crate::offers::rescind_offers_of_agent;
use crate::registry::{Continuation, Registry, RegistryOperation, store};
use crate::state::State;

/// The change of an agent's state by an operator's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentStateChange {
    Draining,
    Deactivated,
    Reactivated,
}

/// Returns the state in the registry: whether the agent drains, and whether it is deactivated.
pub(crate) fn drain_state_of(registry: &Registry, id: &AgentId) -> (Option<v1::DrainInfo>, bool) {
    let registry = registry.durable();
    let unreachable = || registry.unreachable.get(id).map(|record| (record.drain, record.deactivated));
    registry.agents.get(id).map(|record| (record.drain, record.deactivated)).or_else(unreachable).unwrap_or_default()
}

/// Continues once the record is durable. An agent that is not registered receives the request when it returns.
pub(crate) fn agent_state_stored(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    change: AgentStateChange,
) -> CallResponse {
    let is_registered = state.agents.get(id.as_str()).is_some();
    match change {
        AgentStateChange::Draining if is_registered => {
            apply_operator_decision(state, cx, id);
            send_drain(&state.agents, cx, id);
            check_drained(state, cx, id);
        }
        AgentStateChange::Deactivated if is_registered => apply_operator_decision(state, cx, id),
        AgentStateChange::Reactivated if is_registered => apply_operator_decision(state, cx, id),
        AgentStateChange::Reactivated => {
            return CallResponse::new(Status::Conflict, "Agent removed while processing the call");
        }
        AgentStateChange::Draining | AgentStateChange::Deactivated => {}
    }
    CallResponse::ok()
}

fn apply_operator_decision(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    update_agent_activity(state, cx, id);
    let (_, keeps_out) = drain_state_of(&state.registry, id);
    observe(state, cx, failures::Event::OperatorDecided { agent: id.clone(), keeps_out });
}

/// Updates the registered agent, its offers and the allocator to the state of the registry and of the recovery
/// policies.
pub(crate) fn update_agent_activity(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let (drain, deactivated) = drain_state_of(&state.registry, id);
    let is_held = state.monitor.holds(id);
    let Some(agent) = state.agents.get_mut(id.as_str()) else { return };
    let change = agent.set_drain_state(drain, deactivated, is_held, cx.now.wall);
    cx.publish(Change::AgentUpdated(agent.snapshot().clone()));
    if let Some(change) = change {
        change.apply(&state.metrics, &mut state.allocator, id);
    }
    if change == Some(ActivityChange::Deactivated) {
        rescind_offers_of_agent(state, cx, id);
    }
}

/// Sends a draining agent DrainSlaveMessage, again each time it registers: the message may have been lost, and a second
/// one changes nothing.
pub(crate) fn send_drain(agents: &Agents, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = agents.get(id.as_str()) else { return };
    let Some(drain) = agent.snapshot().drain else { return };
    cx.send(&agent.snapshot().pid, internal::DrainSlaveMessage { config: drain.config });
}

/// Marks a draining agent as drained if it has no tasks and operations any more.
pub(crate) fn check_drained(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = state.agents.get(id.as_str()) else { return };
    let Some(drain) = agent.snapshot().drain.filter(|drain| drain.state() == v1::DrainState::Draining) else { return };
    let has_tasks = state.tasks.on_agent(id.as_str()).any(|(_, usage)| usage.task_ids().next().is_some());
    let is_empty = !has_tasks && state.operations.on_agent(id.as_str()).is_empty();
    if !is_empty || !can_be_removed(&state.registry, id) {
        return;
    }
    if drain.config.mark_gone() {
        tracing::info!(agent = %id, "it is drained: marking it gone");
        return mark_gone(&mut state.registry, &state.metrics, cx, id.clone(), None);
    }
    tracing::info!(agent = %id, "it is drained");
    store(
        &state.metrics,
        &mut state.registry,
        cx,
        RegistryOperation::MarkDrained(id.clone()),
        Continuation::Drained(id.clone()),
    );
}

pub(crate) fn marked_drained(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    update_agent_activity(state, cx, id);
}
