//! Whether agents are still there: pings from each agent's observer process, and what
//! follows when they stay unanswered.

use messages::internal;
use model::AgentId;

use crate::agent::Agent;
use crate::agent_removal_limiter::UnreachableReason;
use crate::effects::{Context, Timer};
use crate::master::Master;

impl Master {
    /// The first ping goes out at once, the next ones with the wheel.
    pub(crate) fn start_pings(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        let Some(agent) = self.agents.get_mut(id.as_str()) else { return };
        let (slot, rearm) = self.pings.insert(cx.now.monotonic, id.clone());
        agent.ping_slot = slot;
        send_ping(cx, agent);
        if let Some(rearm) = rearm {
            cx.arm(Timer::Ping(rearm.slot), rearm.at);
        }
    }

    pub(crate) fn stop_pings(&mut self, cx: &mut Context<'_>, agent: &Agent) {
        if self.pings.remove(agent.ping_slot, agent.id()) {
            cx.disarm(Timer::Ping(agent.ping_slot));
        }
    }

    pub(crate) fn ping(&mut self, cx: &mut Context<'_>, slot: u32) {
        let (due, rearm) = self.pings.fire(slot, cx.now.monotonic);
        for id in due {
            let Some(agent) = self.agents.get_mut(id.as_str()) else { continue };
            if agent.awaiting_pong {
                agent.missed_pings += 1;
            }
            let silent = agent.missed_pings >= self.config.max_agent_ping_timeouts;
            send_ping(cx, agent);
            self.observe(cx, failures::Event::PingDue(id.clone()));
            if silent && !self.registry.pending_removals.contains_key(&id) {
                self.schedule_mark_unreachable(cx, id, UnreachableReason::PingTimeout);
            }
        }
        if let Some(rearm) = rearm {
            cx.arm(Timer::Ping(rearm.slot), rearm.at);
        }
    }

    pub(crate) fn pong(&mut self, cx: &mut Context<'_>, observer: &str) {
        let agent = self.agents.by_observer(observer).cloned();
        if let Some(agent) = agent.and_then(|id| self.agents.get_mut(id.as_str())) {
            agent.awaiting_pong = false;
            agent.missed_pings = 0;
            let id = agent.id().clone();
            if self.removal_limiter.cancel_after_pong(&id) {
                self.metrics.slave_unreachable_canceled.increment();
            }
            self.observe(cx, failures::Event::PongReceived(id));
        }
    }
}

/// `connected` is the master's view: an agent that reads false registers again.
fn send_ping(cx: &mut Context<'_>, agent: &mut Agent) {
    agent.awaiting_pong = true;
    let ping = internal::PingSlaveMessage { connected: agent.state.connected };
    cx.send_from(&agent.observer.clone(), &agent.state.pid, ping);
}
