//! Giving agents up, one at a time if `--agent_removal_rate_limit` says so: a fault of the network that hides many at
//! once is not to cost all their tasks before anybody can look.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{AgentId, Monotonic, format_duration};

use crate::effects::{Context, Timer};
use crate::master::Master;
use crate::registry::{Continuation, PendingAgentRemoval, RegistryOperation};
use crate::text;

/// Why an agent is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreachableReason {
    /// It answers no pings.
    PingTimeout,
    /// Its link broke, and it did not come back in time.
    ReregistrationTimeout,
    /// It belonged to the master before, and did not come to this one.
    NotReregisteredAfterFailover,
}

/// Agents whose turn has not come, in order.
#[derive(Debug)]
pub(crate) struct AgentRemovalLimiter {
    /// Between two; none without a limit.
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

    /// It has left otherwise.
    pub fn cancel(&mut self, id: &AgentId) -> bool {
        self.positions.remove(id).is_some_and(|position| self.scheduled.remove(&position).is_some())
    }

    /// It answers again. True if that saved it.
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

    /// When the next turn is, if somebody waits for it.
    fn due(&self, now: Monotonic) -> Option<Monotonic> {
        (!self.scheduled.is_empty()).then(|| self.next_permit_at.map_or(now, |at| at.max(now)))
    }
}

impl Master {
    /// Marks an agent unreachable, when its turn comes.
    pub(crate) fn schedule_mark_unreachable(&mut self, cx: &mut Context<'_>, id: AgentId, reason: UnreachableReason) {
        if self.removal_limiter.positions.contains_key(&id) {
            return;
        }
        self.metrics.slave_unreachable_scheduled.increment();
        self.removal_limiter.push(id, reason);
        self.process_scheduled_removals(cx);
    }

    pub(crate) fn process_scheduled_removals(&mut self, cx: &mut Context<'_>) {
        while self.removal_limiter.due(cx.now.monotonic).is_some_and(|at| at <= cx.now.monotonic) {
            let Some((id, reason)) = self.removal_limiter.pop() else { break };
            // One that was saved meanwhile does not cost a turn (in Mesos it does: MESOS-8386).
            if !self.is_still_unreachable(&id, reason) {
                self.metrics.slave_unreachable_canceled.increment();
                continue;
            }
            self.metrics.slave_unreachable_completed.increment();
            self.removal_limiter.next_permit_at =
                self.removal_limiter.interval.map(|interval| cx.now.monotonic + interval);
            self.mark_unreachable_for(cx, &id, reason);
        }
        if let Some(at) = self.removal_limiter.due(cx.now.monotonic) {
            cx.arm(Timer::AgentRemoval, at);
        }
    }

    fn is_still_unreachable(&self, id: &AgentId, reason: UnreachableReason) -> bool {
        let lost = match reason {
            UnreachableReason::PingTimeout => self.agents.get(id.as_str()).is_some(),
            UnreachableReason::ReregistrationTimeout => {
                self.agents.get(id.as_str()).is_some_and(|agent| !agent.state.connected)
            }
            UnreachableReason::NotReregisteredAfterFailover => self.recovery.contains(id.as_str()),
        };
        lost && self.can_be_removed(id)
    }

    fn mark_unreachable_for(&mut self, cx: &mut Context<'_>, id: &AgentId, reason: UnreachableReason) {
        let timeout = format_duration(self.config.agent_reregister_timeout);
        match reason {
            UnreachableReason::PingTimeout => self.mark_unreachable(cx, id, "health check timed out".to_owned()),
            UnreachableReason::ReregistrationTimeout => {
                let cause = format!("agent did not reregister within {timeout} after disconnecting");
                self.mark_unreachable(cx, id, cause);
            }
            UnreachableReason::NotReregisteredAfterFailover => {
                tracing::warn!(agent = %id, "it did not reregister within {timeout} after master failover");
                self.registry.pending_removals.insert(id.clone(), PendingAgentRemoval::Unreachable);
                let since = text::time_info(cx.now.wall);
                let operation = RegistryOperation::MarkUnreachable { agent: id.clone(), since };
                self.store(cx, operation, Continuation::RecoveredUnreachable { agent: id.clone(), since });
            }
        }
    }
}
