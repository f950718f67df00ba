//! Pings from each agent's observer process, and the consequences of missed pongs.

use messages::internal;
use model::AgentId;
use model::master::UnreachableReason;

use super::agent::Agent;
use super::index::Agents;
use super::removal_limiter::schedule_mark_unreachable;
use crate::failures::observe;
use crate::interface::{Context, Timer};
use crate::operations::must_register_again;
use crate::state::State;
use crate::support::TimingWheel;

/// Starts the pings of an agent: the first one is sent at once, the next ones by the timing wheel.
pub(crate) fn start_pings(agents: &mut Agents, pings: &mut TimingWheel<AgentId>, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = agents.get_mut(id.as_str()) else { return };
    let (slot, rearm) = pings.insert(cx.now.monotonic, id.clone());
    agent.set_ping_slot(slot);
    send_ping(cx, agent, agent.snapshot().connected);
    if let Some(rearm) = rearm {
        cx.arm(Timer::Ping(rearm.slot), rearm.at);
    }
}

pub(crate) fn stop_pings(pings: &mut TimingWheel<AgentId>, cx: &mut Context<'_>, agent: &Agent) {
    if pings.remove(agent.ping_slot(), agent.id()) {
        cx.disarm(Timer::Ping(agent.ping_slot()));
    }
}

pub(crate) fn ping(state: &mut State, cx: &mut Context<'_>, slot: u32) {
    let (due, rearm) = state.pings.fire(slot, cx.now.monotonic);
    for id in due {
        let has_to_register = must_register_again(&state.agents, &state.operations, &id);
        let Some(agent) = state.agents.get_mut(id.as_str()) else { continue };
        let silent = agent.unanswered_pings() >= state.config.max_agent_ping_timeouts;
        send_ping(cx, agent, agent.snapshot().connected && !has_to_register);
        observe(state, cx, failures::Event::PingDue(id.clone()));
        if silent && state.registry.pending_removal(&id).is_none() {
            schedule_mark_unreachable(state, cx, id, UnreachableReason::PingTimeout);
        }
    }
    if let Some(rearm) = rearm {
        cx.arm(Timer::Ping(rearm.slot), rearm.at);
    }
}

pub(crate) fn pong(state: &mut State, cx: &mut Context<'_>, observer: &str) {
    let agent = state.agents.by_observer(observer).cloned();
    if let Some(agent) = agent.and_then(|id| state.agents.get_mut(id.as_str())) {
        agent.record_pong();
        let id = agent.id().clone();
        if state.removal_limiter.cancel_after_pong(&id) {
            state.metrics.slave_unreachable_canceled.increment();
        }
        observe(state, cx, failures::Event::PongReceived(id));
    }
}

/// Sends a ping. An agent that reads that it is not connected registers again.
fn send_ping(cx: &mut Context<'_>, agent: &mut Agent, connected: bool) {
    agent.record_ping();
    cx.send_from(agent.observer(), &agent.snapshot().pid, internal::PingSlaveMessage { connected });
}
