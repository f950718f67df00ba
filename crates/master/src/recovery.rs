//! The beginning of a master's term: the agents that the one before it left behind are awaited, and those that do not
//! come are given up, unless they are so many that something else must be wrong.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use messages::{internal, v1};
use vocabulary::{AgentId, Upid};

use crate::agent::UnreachableAgent;
use crate::change::Change;
use crate::cx::Cx;
use crate::master::Master;
use crate::outbox::Timer;
use crate::registry::AgentRecord;
use crate::removals::Because;

/// By then those that notice the new master by themselves are back.
const FIRST_CALL: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Agents asked at once: each costs a connection.
const WAVE: usize = 500;
const BETWEEN_WAVES: Duration = Duration::from_millis(100);

/// Agents of the registry that have not come back yet.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    awaited: BTreeMap<AgentId, Arc<v1::AgentInfo>>,
    /// Where they were reached last; of nobody once all are back.
    processes: BTreeMap<Upid, AgentId>,
    /// How many there were at first.
    expected: usize,
    /// The last agent that was asked to come, while others still have to be.
    called: Option<AgentId>,
    /// Before all that are missing are asked again.
    pause: Duration,
    /// An agent came that the registry has never heard of.
    stranger: bool,
    /// Those that are still missing have had their time.
    overdue: bool,
}

impl Recovery {
    pub fn get(&self, id: &AgentId) -> Option<&Arc<v1::AgentInfo>> {
        self.awaited.get(id)
    }

    pub fn contains(&self, id: &str) -> bool {
        self.awaited.contains_key(id)
    }

    pub fn awaited(&self) -> impl Iterator<Item = &Arc<v1::AgentInfo>> {
        self.awaited.values()
    }

    /// Whether something on this agent (on any, if none is named) may still turn up.
    pub fn awaits(&self, agent: Option<&v1::AgentId>) -> bool {
        match agent {
            Some(agent) => self.contains(&agent.value),
            None => !self.awaited.is_empty(),
        }
    }

    /// It is back, or is not awaited any more.
    pub fn take(&mut self, id: &AgentId) -> Option<Arc<v1::AgentInfo>> {
        let taken = self.awaited.remove(id);
        if self.awaited.is_empty() {
            self.processes.clear();
        }
        taken
    }

    /// The agent that was this process and has not come back.
    pub fn at(&self, process: &Upid) -> Option<&AgentId> {
        self.processes.get(process).filter(|id| self.awaited.contains_key(*id))
    }

    /// Agents may be about to return, with what is free on them.
    pub fn is_under_way(&self) -> bool {
        !self.overdue && !self.awaited.is_empty()
    }

    /// Whether it is the first one.
    pub fn note_stranger(&mut self) -> bool {
        !std::mem::replace(&mut self.stranger, true)
    }

    fn missing_share(&self) -> f64 {
        self.awaited.len() as f64 / self.expected.max(1) as f64
    }
}

impl Master {
    pub(crate) fn take_over(&mut self, cx: &mut Cx<'_>) {
        self.take_over_policy(cx);
        let registry = &self.registry.state;
        self.recovery.awaited = registry.agents.iter().map(|(id, record)| (id.clone(), record.info.clone())).collect();
        let process = |(id, record): (&AgentId, &AgentRecord)| Some((record.pid.clone()?, id.clone()));
        self.recovery.processes = registry.agents.iter().filter_map(process).collect();
        self.recovery.expected = self.recovery.awaited.len();
        let awaited = self.recovery.expected;
        let has_quota = !registry.quotas.is_empty() || !registry.partitions.is_empty();
        self.recover_unreachable(cx);
        self.allocator.start_recovery(cx.now.monotonic, self.recovery.expected, has_quota);
        cx.arm(Timer::RegistryGc, cx.now.monotonic + self.config.registry_gc_interval);
        if self.recovery.expected > 0 {
            tracing::info!(agents = self.recovery.expected, "awaiting the agents of the registry");
            cx.publish(Change::AgentsRecovered(self.recovery.awaited.values().cloned().collect()));
            cx.arm(Timer::RecoveredAgents, cx.now.monotonic + self.config.agent_reregister_timeout);
            cx.arm(Timer::CallBack, cx.now.monotonic + FIRST_CALL);
        }
        self.inherit_failures(cx);
        self.observe(cx, health::Event::TookOver { awaited });
        self.observe_return(cx);
    }

    /// A Mesos agent that is told of no new leader (a standalone master restarted) notices nothing until it has been
    /// without pings for 75 s. A ping that says it is not connected makes it register again; agents do not ask whose ping
    /// it is, and those that are on their way already lose nothing.
    pub(crate) fn call_agents_back(&mut self, cx: &mut Cx<'_>) {
        let from = self.recovery.called.take().map_or(Bound::Unbounded, Bound::Excluded);
        let mut awaited = self.recovery.awaited.range((from, Bound::Unbounded)).map(|(id, _)| id);
        let wave: Vec<AgentId> = awaited.by_ref().take(WAVE).cloned().collect();
        let more = awaited.next().is_some();
        let observer: Arc<str> = Arc::from("slave-observer(0)");
        for id in &wave {
            let pid = self.registry.state.agents.get(id).and_then(|record| record.pid.clone());
            if let Some(pid) = pid.filter(|_| self.may_leave(id)) {
                cx.send_from(&observer, &pid, internal::PingSlaveMessage { connected: false });
            }
        }
        if more {
            self.recovery.called = wave.last().cloned();
            cx.arm(Timer::CallBack, cx.now.monotonic + BETWEEN_WAVES);
        } else if !self.recovery.awaited.is_empty() {
            let pause = (self.recovery.pause.max(FIRST_CALL) * 2).min(LONGEST_PAUSE);
            self.recovery.pause = pause;
            cx.arm(Timer::CallBack, cx.now.monotonic + pause);
        }
    }

    /// In the order in which they left.
    fn recover_unreachable(&mut self, cx: &mut Cx<'_>) {
        let records = &self.registry.state.unreachable;
        let mut unreachable: Vec<_> = records.iter().map(|(id, record)| (record.since, id.clone())).collect();
        if unreachable.is_empty() {
            return;
        }
        unreachable.sort_by_key(|(since, _)| since.nanoseconds);
        cx.publish(Change::UnreachableRecovered(unreachable.iter().map(|(_, id)| id.clone()).collect()));
        for (since, id) in unreachable {
            let agent = UnreachableAgent { since, tasks: Vec::new() };
            self.agents.add_unreachable(id, agent, self.config.registry_max_agent_count);
        }
        self.metrics.slaves_unreachable.set(self.agents.unreachable_count() as i64);
    }

    /// Where Mesos ends the master when too many agents are missing (`--recovery_agent_removal_limit`), this one gives up
    /// none of them, says so, and looks again after the same time: a master that is there serves those that are.
    pub(crate) fn recovered_agents_timed_out(&mut self, cx: &mut Cx<'_>) {
        let (missing, expected) = (self.recovery.awaited.len(), self.recovery.expected);
        if missing == 0 {
            return;
        }
        self.recovery.overdue = true;
        self.preempt(cx);
        let limit = self.config.recovery_agent_removal_limit;
        if self.recovery.missing_share() > limit {
            cx.arm(Timer::RecoveredAgents, cx.now.monotonic + self.config.agent_reregister_timeout);
            return tracing::error!(
                missing,
                expected,
                "more agents did not come back after the failover than --recovery_agent_removal_limit allows to give up \
                 ({:.0}%): none is marked unreachable; look into it, then raise the limit or mark them gone",
                limit * 100.0
            );
        }
        let missing: Vec<AgentId> = self.recovery.awaited.keys().cloned().collect();
        for id in missing {
            if self.may_leave(&id) {
                self.give_up(cx, id, Because::NeverReturned);
            }
        }
    }
}
