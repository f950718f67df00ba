//! Pings from each agent's observer process, and the consequences of missed pongs.

use messages::internal;
use model::AgentId;
use model::master::UnreachableReason;

use super::agent::Agent;
use super::removal_limiter::schedule_mark_unreachable;
use crate::failures::observe;
use crate::interface::{Context, Timer};
use crate::state::State;

/// Starts the pings of an agent: the first one is sent at once, the next ones by the timing wheel.
pub(crate) fn start_pings(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = state.agents.get_mut(id.as_str()) else { return };
    let (slot, rearm) = state.pings.insert(cx.now.monotonic, id.clone());
    agent.ping_slot = slot;
    send_ping(cx, agent);
    if let Some(rearm) = rearm {
        cx.arm(Timer::Ping(rearm.slot), rearm.at);
    }
}

pub(crate) fn stop_pings(state: &mut State, cx: &mut Context<'_>, agent: &Agent) {
    if state.pings.remove(agent.ping_slot, agent.id()) {
        cx.disarm(Timer::Ping(agent.ping_slot));
    }
}

pub(crate) fn ping(state: &mut State, cx: &mut Context<'_>, slot: u32) {
    let (due, rearm) = state.pings.fire(slot, cx.now.monotonic);
    for id in due {
        let Some(agent) = state.agents.get_mut(id.as_str()) else { continue };
        if agent.awaiting_pong {
            agent.missed_pings += 1;
        }
        let silent = agent.missed_pings >= state.config.max_agent_ping_timeouts;
        send_ping(cx, agent);
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
        agent.awaiting_pong = false;
        agent.missed_pings = 0;
        let id = agent.id().clone();
        if state.removal_limiter.cancel_after_pong(&id) {
            state.metrics.slave_unreachable_canceled.increment();
        }
        observe(state, cx, failures::Event::PongReceived(id));
    }
}

/// Sends a ping. `connected` is the master's view: an agent that reads false registers again.
fn send_ping(cx: &mut Context<'_>, agent: &mut Agent) {
    agent.awaiting_pong = true;
    let ping = internal::PingSlaveMessage { connected: agent.state.connected };
    cx.send_from(&agent.observer.clone(), &agent.state.pid, ping);
}
