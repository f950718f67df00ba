//! MARK_AGENT_GONE, DRAIN_AGENT, DEACTIVATE_AGENT and REACTIVATE_AGENT: the refusals of each, with Mesos' texts.

use machine::{CallResponse, Status};
use messages::v1;
use messages::v1::master::call;
use model::master::AgentRemoval;
use model::{AgentId, ReplyId};

use super::AgentStateChange;
use super::agent_state::drain_state_of;
use super::gone::mark_gone;
use crate::agents::{Agents, Recovery};
use crate::failures::reactivate_held;
use crate::interface::Context;
use crate::registry::{Continuation, MachineKey, Registry, RegistryOperation, store};
use crate::state::State;

/// Carries the call out and returns true if it is one of these. The call is answered at once, or when its record is
/// durable.
pub(crate) fn agent_state_call(
    state: &mut State,
    cx: &mut Context<'_>,
    reply: ReplyId,
    call: &v1::master::Call,
) -> bool {
    if let (call::Type::MarkAgentGone, Some(call)) = (call.r#type(), &call.mark_agent_gone) {
        mark_agent_gone(state, cx, reply, call);
    } else if let (call::Type::DrainAgent, Some(call)) = (call.r#type(), &call.drain_agent) {
        drain_agent(state, cx, reply, call);
    } else if let (call::Type::DeactivateAgent, Some(call)) = (call.r#type(), &call.deactivate_agent) {
        deactivate_agent(state, cx, reply, call);
    } else if let (call::Type::ReactivateAgent, Some(call)) = (call.r#type(), &call.reactivate_agent) {
        reactivate_agent(state, cx, reply, call);
    } else {
        return false;
    }
    true
}

fn mark_agent_gone(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, call: &call::MarkAgentGone) {
    let id = AgentId::from(&call.agent_id);
    if state.registry.durable().gone.contains_key(&id) {
        return cx.reply(reply, CallResponse::ok());
    }
    if let Some(pending) = state.registry.pending_removal(&id) {
        let how = match pending {
            AgentRemoval::Gone => "already being transitioned to gone",
            AgentRemoval::Removed(_) => "being transitioned to removed",
            AgentRemoval::Unreachable(_) => "being transitioned to unreachable",
        };
        return cx.reply(reply, CallResponse::new(Status::ServiceUnavailable, format!("Agent '{id}' is {how}")));
    }
    if !is_known(&state.agents, &state.recovery, &id) {
        return cx.reply(reply, CallResponse::new(Status::NotFound, format!("Agent '{id}' not found")));
    }
    mark_gone(&mut state.registry, &state.metrics, cx, id, Some(reply));
}

fn drain_agent(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, call: &call::DrainAgent) {
    let id = AgentId::from(&call.agent_id);
    if let Some(refusal) = cannot_drain(&state.agents, &state.recovery, &state.registry, &id) {
        return cx.reply(reply, refusal);
    }
    let max_grace_period = call.max_grace_period.as_ref().map(|period| {
        let seconds = period.seconds.saturating_mul(1_000_000_000);
        v1::DurationInfo { nanoseconds: seconds.saturating_add(i64::from(period.nanos)) }
    });
    let config = v1::DrainConfig { max_grace_period, mark_gone: Some(call.mark_gone()) };
    let operation = RegistryOperation::DrainAgent { agent: id.clone(), config };
    store(
        &state.metrics,
        &mut state.registry,
        cx,
        operation,
        Continuation::AgentStateChange { agent: id, reply, change: AgentStateChange::Draining },
    );
}

pub(crate) fn cannot_drain(
    agents: &Agents,
    recovery: &Recovery,
    registry: &Registry,
    id: &AgentId,
) -> Option<CallResponse> {
    if let Some(agent) = agents.get(id.as_str()) {
        let machine = MachineKey::of_agent(&agent.snapshot().info.hostname, &agent.snapshot().pid);
        let scheduled = registry.durable().schedule.windows.iter().flat_map(|window| &window.machine_ids);
        if let Some(machine) = scheduled.into_iter().find(|id| MachineKey::from(*id) == machine) {
            let (hostname, ip) = (machine.hostname(), machine.ip());
            return Some(CallResponse::bad_request(format!(
                "Agent {id} is part of a maintenance schedule under Machine {hostname} ({ip})"
            )));
        }
        if !agent.capabilities().draining {
            return Some(CallResponse::bad_request(format!("Agent {id} is not capable of draining")));
        }
    }
    if !is_known(agents, recovery, id) {
        return Some(CallResponse::bad_request("Unknown agent"));
    }
    (registry.pending_removal(id) == Some(AgentRemoval::Gone))
        .then(|| CallResponse::new(Status::Conflict, "Agent is currently being marked gone"))
}

fn deactivate_agent(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, call: &call::DeactivateAgent) {
    let id = AgentId::from(&call.agent_id);
    if !is_known(&state.agents, &state.recovery, &id) {
        return cx.reply(reply, CallResponse::bad_request("Unknown agent"));
    }
    let operation = RegistryOperation::DeactivateAgent(id.clone());
    store(
        &state.metrics,
        &mut state.registry,
        cx,
        operation,
        Continuation::AgentStateChange { agent: id, reply, change: AgentStateChange::Deactivated },
    );
}

fn reactivate_agent(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, call: &call::ReactivateAgent) {
    let id = AgentId::from(&call.agent_id);
    let (drain, deactivated) = drain_state_of(&state.registry, &id);
    if !deactivated && state.monitor.holds(&id) {
        return reactivate_held(state, cx, id, reply);
    }
    if !deactivated {
        return cx.reply(reply, CallResponse::bad_request("Agent is not deactivated"));
    }
    if drain.is_some_and(|drain| drain.state() == v1::DrainState::Draining) {
        return cx.reply(reply, CallResponse::bad_request("Agent is still in the DRAINING state"));
    }
    let operation = RegistryOperation::ReactivateAgent(id.clone());
    store(
        &state.metrics,
        &mut state.registry,
        cx,
        operation,
        Continuation::AgentStateChange { agent: id, reply, change: AgentStateChange::Reactivated },
    );
}

/// Returns whether an agent is registered, recovered or unreachable.
pub(crate) fn is_known(agents: &Agents, recovery: &Recovery, id: &AgentId) -> bool {
    let id = id.as_str();
    agents.get(id).is_some() || recovery.contains(id) || agents.unreachable(id).is_some()
}
