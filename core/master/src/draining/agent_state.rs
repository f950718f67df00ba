//! Deactivation and draining of an agent: an operator begins it, the agent is told, and it ends when the agent is empty
//! or the operator reactivates it.

use machine::{CallResponse, Status};
use messages::{internal, v1};
use model::AgentId;
use model::master::Change;

use super::gone::mark_gone;
use crate::agents::can_be_removed;
use crate::failures::observe;
use crate::interface::Context;
use crate::offers::rescind_offers_of_agent;
use crate::registry::{Continuation, RegistryOperation, store};
use crate::state::State;

/// The change of an agent's state by an operator's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentStateChange {
    Draining,
    Deactivated,
    Reactivated,
}

/// Returns the state in the registry: whether the agent drains, and whether it is deactivated.
pub(crate) fn drain_state_of(state: &State, id: &AgentId) -> (Option<v1::DrainInfo>, bool) {
    let registry = state.registry.durable();
    let unreachable = || registry.unreachable.get(id).map(|record| (record.drain, record.deactivated));
    registry.agents.get(id).map(|record| (record.drain, record.deactivated)).or_else(unreachable).unwrap_or_default()
}

/// Continues once the record is durable. An agent that is not registered is told when it returns.
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
            send_drain(state, cx, id);
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
    let (_, keeps_out) = drain_state_of(state, id);
    observe(state, cx, failures::Event::OperatorDecided { agent: id.clone(), keeps_out });
}

/// Updates the registered agent, its offers and the allocator to the state of the registry and of the recovery
/// policies.
pub(crate) fn update_agent_activity(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let (drain, deactivated) = drain_state_of(state, id);
    let is_held = state.monitor.holds(id);
    let Some(agent) = state.agents.get_mut(id.as_str()) else { return };
    let was_active = agent.state.active;
    let snapshot = agent.state_mut();
    snapshot.deactivated = deactivated;
    snapshot.drain = drain;
    snapshot.drain_started = drain.and(snapshot.drain_started.or(Some(cx.now.wall)));
    snapshot.active = snapshot.connected && !deactivated && !is_held;
    let is_active = snapshot.active;
    cx.publish(Change::AgentUpdated(agent.state.clone()));
    if was_active && !is_active {
        state.metrics.slaves_active.decrement();
        state.metrics.slaves_inactive.increment();
        state.allocator.deactivate_agent(id);
        rescind_offers_of_agent(state, cx, id);
    } else if is_active && !was_active {
        state.metrics.slaves_active.increment();
        state.metrics.slaves_inactive.decrement();
        state.allocator.activate_agent(id);
    }
}

/// Sends a draining agent DrainSlaveMessage, again each time it registers: the message may have been lost, and a second
/// one changes nothing.
pub(crate) fn send_drain(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = state.agents.get(id.as_str()) else { return };
    let Some(drain) = agent.state.drain else { return };
    cx.send(&agent.state.pid, internal::DrainSlaveMessage { config: drain.config });
}

/// Marks a draining agent as drained if it has no tasks and operations any more.
pub(crate) fn check_drained(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = state.agents.get(id.as_str()) else { return };
    let Some(drain) = agent.state.drain.filter(|drain| drain.state() == v1::DrainState::Draining) else { return };
    let has_tasks = state.tasks.on_agent(id.as_str()).any(|(_, usage)| usage.task_ids().next().is_some());
    let is_empty = !has_tasks && state.operations.on_agent(id.as_str()).is_empty();
    if !is_empty || !can_be_removed(state, id) {
        return;
    }
    if drain.config.mark_gone() {
        tracing::info!(agent = %id, "it is drained: marking it gone");
        return mark_gone(state, cx, id.clone(), None);
    }
    tracing::info!(agent = %id, "it is drained");
    store(state, cx, RegistryOperation::MarkDrained(id.clone()), Continuation::Drained(id.clone()));
}

pub(crate) fn marked_drained(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    update_agent_activity(state, cx, id);
}
