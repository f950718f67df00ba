//! The beginning of a master's term: the agents that the one before it left behind are awaited, and those that do not
//! come are given up, unless they are so many that something else must be wrong.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use messages::{internal, v1};
use model::{AgentId, Upid};

use crate::agent::UnreachableAgent;
use crate::agent_removal_limiter::UnreachableReason;
use crate::effects::{Context, Timer};
use crate::master::Master;
use crate::registry::AgentRecord;
use model::master::Change;

/// By then those that notice the new master by themselves are back.
const FIRST_PING_DELAY: Duration = Duration::from_secs(1);
const MAX_PING_PAUSE: Duration = Duration::from_secs(60);
/// Agents asked at once: each costs a connection.
const PING_BATCH: usize = 500;
const PING_BATCH_INTERVAL: Duration = Duration::from_millis(100);

/// Agents of the registry that have not come back yet.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    recovered: BTreeMap<AgentId, Arc<v1::AgentInfo>>,
    /// Where they were reached last; of nobody once all are back.
    processes: BTreeMap<Upid, AgentId>,
    /// How many there were at first.
    expected: usize,
    /// The last agent that was asked to come, while others still have to be.
    last_pinged: Option<AgentId>,
    /// Before all that are missing are asked again.
    pause: Duration,
    /// An agent came that the registry has never heard of.
    unknown_agent_seen: bool,
    /// Those that are still missing have had their time.
    overdue: bool,
}

impl Recovery {
    pub fn get(&self, id: &AgentId) -> Option<&Arc<v1::AgentInfo>> {
        self.recovered.get(id)
    }

    pub fn contains(&self, id: &str) -> bool {
        self.recovered.contains_key(id)
    }

    pub fn recovered(&self) -> impl Iterator<Item = &Arc<v1::AgentInfo>> {
        self.recovered.values()
    }

    /// Whether something on this agent (on any, if none is named) may still turn up.
    pub fn may_reregister(&self, agent: Option<&v1::AgentId>) -> bool {
        match agent {
            Some(agent) => self.contains(&agent.value),
            None => !self.recovered.is_empty(),
        }
    }

    /// It is back, or is not awaited any more.
    pub fn take(&mut self, id: &AgentId) -> Option<Arc<v1::AgentInfo>> {
        let taken = self.recovered.remove(id);
        if self.recovered.is_empty() {
            self.processes.clear();
        }
        taken
    }

    /// The agent that was this process and has not come back.
    pub fn at(&self, process: &Upid) -> Option<&AgentId> {
        self.processes.get(process).filter(|id| self.recovered.contains_key(*id))
    }

    /// Agents may be about to return, with what is free on them.
    pub fn is_under_way(&self) -> bool {
        !self.overdue && !self.recovered.is_empty()
    }

    /// Whether it is the first one.
    pub fn note_unknown_agent(&mut self) -> bool {
        !std::mem::replace(&mut self.unknown_agent_seen, true)
    }

    fn missing_share(&self) -> f64 {
        self.recovered.len() as f64 / self.expected.max(1) as f64
    }
}

impl Master {
    pub(crate) fn recover_from_registry(&mut self, cx: &mut Context<'_>) {
        self.recover_policy(cx);
        let registry = &self.registry.state;
        self.recovery.recovered =
            registry.agents.iter().map(|(id, record)| (id.clone(), record.info.clone())).collect();
        let process = |(id, record): (&AgentId, &AgentRecord)| Some((record.pid.clone()?, id.clone()));
        self.recovery.processes = registry.agents.iter().filter_map(process).collect();
        self.recovery.expected = self.recovery.recovered.len();
        let awaited = self.recovery.expected;
        let has_quota = !registry.quotas.is_empty() || !registry.partitions.is_empty();
        self.recover_unreachable(cx);
        self.allocator.start_recovery(cx.now.monotonic, self.recovery.expected, has_quota);
        cx.arm(Timer::RegistryGc, cx.now.monotonic + self.config.registry_gc_interval);
        if self.recovery.expected > 0 {
            tracing::info!(agents = self.recovery.expected, "awaiting the agents of the registry");
            cx.publish(Change::AgentsRecovered(self.recovery.recovered.values().cloned().collect()));
            cx.arm(Timer::RecoveredAgents, cx.now.monotonic + self.config.agent_reregister_timeout);
            cx.arm(Timer::PingRecoveredAgents, cx.now.monotonic + FIRST_PING_DELAY);
        }
        self.restore_failures(cx);
        self.observe(cx, failures::Event::MasterElected { awaited });
        self.observe_recovery_complete(cx);
    }

    /// A Mesos agent that is told of no new leader (a standalone master restarted) notices nothing until it has been
    /// without pings for 75 s. A ping that says it is not connected makes it register again; agents do not ask whose ping
    /// it is, and those that are on their way already lose nothing.
    pub(crate) fn ping_recovered_agents(&mut self, cx: &mut Context<'_>) {
        let from = self.recovery.last_pinged.take().map_or(Bound::Unbounded, Bound::Excluded);
        let mut awaited = self.recovery.recovered.range((from, Bound::Unbounded)).map(|(id, _)| id);
        let batch: Vec<AgentId> = awaited.by_ref().take(PING_BATCH).cloned().collect();
        let more = awaited.next().is_some();
        let observer: Arc<str> = Arc::from("slave-observer(0)");
        for id in &batch {
            let pid = self.registry.state.agents.get(id).and_then(|record| record.pid.clone());
            if let Some(pid) = pid.filter(|_| self.can_be_removed(id)) {
                cx.send_from(&observer, &pid, internal::PingSlaveMessage { connected: false });
            }
        }
        if more {
            self.recovery.last_pinged = batch.last().cloned();
            cx.arm(Timer::PingRecoveredAgents, cx.now.monotonic + PING_BATCH_INTERVAL);
        } else if !self.recovery.recovered.is_empty() {
            let pause = (self.recovery.pause.max(FIRST_PING_DELAY) * 2).min(MAX_PING_PAUSE);
            self.recovery.pause = pause;
            cx.arm(Timer::PingRecoveredAgents, cx.now.monotonic + pause);
        }
    }

    /// In the order in which they left.
    fn recover_unreachable(&mut self, cx: &mut Context<'_>) {
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
    pub(crate) fn recovered_agents_timed_out(&mut self, cx: &mut Context<'_>) {
        let (missing, expected) = (self.recovery.recovered.len(), self.recovery.expected);
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
        let missing: Vec<AgentId> = self.recovery.recovered.keys().cloned().collect();
        for id in missing {
            if self.can_be_removed(&id) {
                self.schedule_mark_unreachable(cx, id, UnreachableReason::NotReregisteredAfterFailover);
            }
        }
    }
}
