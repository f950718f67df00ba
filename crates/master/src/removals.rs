//! Giving agents up, one at a time if `--agent_removal_rate_limit` says so: a fault of the network that hides many at
//! once is not to cost all their tasks before anybody can look.

use std::collections::BTreeMap;
use std::time::Duration;

use vocabulary::{AgentId, Monotonic, format_duration};

use crate::cx::Cx;
use crate::master::Master;
use crate::outbox::Timer;
use crate::registry::{Leaving, RegistryOperation, Waiting};
use crate::text;

/// Why an agent is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// It answers no pings.
    Silent,
    /// Its link broke, and it did not come back in time.
    Disconnected,
    /// It belonged to the master before, and did not come to this one.
    NeverReturned,
}

/// Agents whose turn has not come, in order.
#[derive(Debug)]
pub(crate) struct Removals {
    /// Between two; none without a limit.
    interval: Option<Duration>,
    free_at: Option<Monotonic>,
    next: u64,
    waiting: BTreeMap<u64, (AgentId, Because)>,
    turns: BTreeMap<AgentId, u64>,
}

impl Removals {
    pub fn new(interval: Option<Duration>) -> Self {
        Removals { interval, free_at: None, next: 0, waiting: BTreeMap::new(), turns: BTreeMap::new() }
    }

    /// It has left otherwise.
    pub fn cancel(&mut self, id: &AgentId) -> bool {
        self.turns.remove(id).is_some_and(|turn| self.waiting.remove(&turn).is_some())
    }

    /// It answers again. True if that saved it.
    pub fn answered(&mut self, id: &AgentId) -> bool {
        let silent = |turn: &u64| self.waiting.get(turn).is_some_and(|(_, because)| *because == Because::Silent);
        self.turns.get(id).is_some_and(silent) && self.cancel(id)
    }

    fn push(&mut self, id: AgentId, because: Because) {
        self.turns.insert(id.clone(), self.next);
        self.waiting.insert(self.next, (id, because));
        self.next += 1;
    }

    fn pop(&mut self) -> Option<(AgentId, Because)> {
        let (_, (id, because)) = self.waiting.pop_first()?;
        self.turns.remove(&id);
        Some((id, because))
    }

    /// When the next turn is, if somebody waits for it.
    fn due(&self, now: Monotonic) -> Option<Monotonic> {
        (!self.waiting.is_empty()).then(|| self.free_at.map_or(now, |at| at.max(now)))
    }
}

impl Master {
    /// Marks an agent unreachable, when its turn comes.
    pub(crate) fn give_up(&mut self, cx: &mut Cx<'_>, id: AgentId, because: Because) {
        if self.removals.turns.contains_key(&id) {
            return;
        }
        self.metrics.slave_unreachable_scheduled.increment();
        self.removals.push(id, because);
        self.removals_go_on(cx);
    }

    pub(crate) fn removals_go_on(&mut self, cx: &mut Cx<'_>) {
        while self.removals.due(cx.now.monotonic).is_some_and(|at| at <= cx.now.monotonic) {
            let Some((id, because)) = self.removals.pop() else { break };
            // One that was saved meanwhile does not cost a turn (in Mesos it does: MESOS-8386).
            if !self.is_still_lost(&id, because) {
                self.metrics.slave_unreachable_canceled.increment();
                continue;
            }
            self.metrics.slave_unreachable_completed.increment();
            self.removals.free_at = self.removals.interval.map(|interval| cx.now.monotonic + interval);
            self.lose(cx, &id, because);
        }
        if let Some(at) = self.removals.due(cx.now.monotonic) {
            cx.arm(Timer::AgentRemoval, at);
        }
    }

    fn is_still_lost(&self, id: &AgentId, because: Because) -> bool {
        let lost = match because {
            Because::Silent => self.agents.get(id.as_str()).is_some(),
            Because::Disconnected => self.agents.get(id.as_str()).is_some_and(|agent| !agent.state.connected),
            Because::NeverReturned => self.recovery.contains(id.as_str()),
        };
        lost && self.may_leave(id)
    }

    fn lose(&mut self, cx: &mut Cx<'_>, id: &AgentId, because: Because) {
        let timeout = format_duration(self.config.agent_reregister_timeout);
        match because {
            Because::Silent => self.mark_unreachable(cx, id, "health check timed out".to_owned()),
            Because::Disconnected => {
                let cause = format!("agent did not reregister within {timeout} after disconnecting");
                self.mark_unreachable(cx, id, cause);
            }
            Because::NeverReturned => {
                tracing::warn!(agent = %id, "it did not reregister within {timeout} after master failover");
                self.registry.leaving.insert(id.clone(), Leaving::Unreachable);
                let since = text::time_info(cx.now.wall);
                let operation = RegistryOperation::MarkUnreachable { agent: id.clone(), since };
                self.store(cx, operation, Waiting::RecoveredUnreachable { agent: id.clone(), since });
            }
        }
    }
}
