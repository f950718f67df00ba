//! `--agent_removal_rate_limit`: agents are marked unreachable one at a time, so that a network fault that affects many
//! at once does not end all their tasks before an operator can act.

use std::collections::BTreeMap;
use std::time::Duration;

use model::master::UnreachableReason;
use model::{AgentId, Monotonic};

use super::index::Agents;
use super::recovery::Recovery;
use super::removal::{can_be_removed, mark_unreachable};
use crate::interface::{Context, Timer};
use crate::registry::Registry;
use crate::state::State;

/// Agents that wait to be marked unreachable, in order.
#[derive(Debug)]
pub(crate) struct AgentRemovalLimiter {
    /// The time between two permits; `None` without a limit.
    interval: Option<Duration>,
    next_permit_at: Option<Monotonic>,
    next: u64,
    scheduled: BTreeMap<u64, (AgentId, UnreachableReason)>,
    positions: BTreeMap<AgentId, u64>,
}

impl AgentRemovalLimiter {
    pub fn new(interval: Option<Duration>) -> Self {
        AgentRemovalLimiter {
            interval,
            next_permit_at: None,
            next: 0,
            scheduled: BTreeMap::new(),
            positions: BTreeMap::new(),
        }
    }

    /// Removes an agent that was removed in another way; returns whether it was waiting.
    pub fn cancel(&mut self, id: &AgentId) -> bool {
        self.positions.remove(id).is_some_and(|position| self.scheduled.remove(&position).is_some())
    }

    /// Removes an agent that was waiting because of missed pings and answers again; returns whether it was waiting.
    pub fn cancel_after_pong(&mut self, id: &AgentId) -> bool {
        let silent = |position: &u64| {
            self.scheduled.get(position).is_some_and(|(_, reason)| *reason == UnreachableReason::PingTimeout)
        };
        self.positions.get(id).is_some_and(silent) && self.cancel(id)
    }

    fn push(&mut self, id: AgentId, reason: UnreachableReason) {
        self.positions.insert(id.clone(), self.next);
        self.scheduled.insert(self.next, (id, reason));
        self.next += 1;
    }

    fn pop(&mut self) -> Option<(AgentId, UnreachableReason)> {
        let (_, (id, reason)) = self.scheduled.pop_first()?;
        self.positions.remove(&id);
        Some((id, reason))
    }

    /// Returns the time of the next permit; `None` if no agent waits.
    fn due(&self, now: Monotonic) -> Option<Monotonic> {
        (!self.scheduled.is_empty()).then(|| self.next_permit_at.map_or(now, |at| at.max(now)))
    }
}

/// Marks an agent unreachable as soon as the rate limit permits.
pub(crate) fn schedule_mark_unreachable(
    state: &mut State,
    cx: &mut Context<'_>,
    id: AgentId,
    reason: UnreachableReason,
) {
    if state.removal_limiter.positions.contains_key(&id) {
        return;
    }
    state.metrics.slave_unreachable_scheduled.increment();
    state.removal_limiter.push(id, reason);
    process_scheduled_removals(state, cx);
}

pub(crate) fn process_scheduled_removals(state: &mut State, cx: &mut Context<'_>) {
    while state.removal_limiter.due(cx.now.monotonic).is_some_and(|at| at <= cx.now.monotonic) {
        let Some((id, reason)) = state.removal_limiter.pop() else { break };
        // An agent that has returned meanwhile uses no permit (in Mesos it does: MESOS-8386).
        if !is_still_unreachable(&state.agents, &state.recovery, &state.registry, &id, reason) {
            state.metrics.slave_unreachable_canceled.increment();
            continue;
        }
        state.metrics.slave_unreachable_completed.increment();
        state.removal_limiter.next_permit_at =
            state.removal_limiter.interval.map(|interval| cx.now.monotonic + interval);
        mark_unreachable(&state.config, &mut state.registry, &state.metrics, cx, id, reason);
    }
    if let Some(at) = state.removal_limiter.due(cx.now.monotonic) {
        cx.arm(Timer::AgentRemoval, at);
    }
}

fn is_still_unreachable(
    agents: &Agents,
    recovery: &Recovery,
    registry: &Registry,
    id: &AgentId,
    reason: UnreachableReason,
) -> bool {
    let lost = match reason {
        UnreachableReason::PingTimeout => agents.get(id.as_str()).is_some(),
        UnreachableReason::ReregistrationTimeout => {
            agents.get(id.as_str()).is_some_and(|agent| !agent.snapshot().connected)
        }
        UnreachableReason::NotReregisteredAfterFailover => recovery.contains(id.as_str()),
    };
    lost && can_be_removed(registry, id)
}
