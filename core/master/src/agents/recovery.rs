//! The recovery from the registry at the beginning of a master's term: recovered agents have some time to re-register,
//! and those that do not are marked unreachable, unless there are so many that another fault is likely.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use messages::{internal, v1};
use model::master::{Change, UnreachableReason};
use model::{AgentId, Upid};

use super::index::UnreachableAgent;
use super::removal::can_be_removed;
use super::removal_limiter::schedule_mark_unreachable;
use crate::failures::{observe, observe_recovery_complete, restore_failures};
use crate::interface::{Context, Timer};
use crate::policy::{preempt, recover_policy};
use crate::registry::{AgentRecord, Registry};
use crate::state::State;

/// By this time agents that notice the new master by themselves have re-registered.
const FIRST_PING_DELAY: Duration = Duration::from_secs(1);
const MAX_PING_PAUSE: Duration = Duration::from_secs(60);
/// The number of agents that are pinged at once, since each costs a connection.
const PING_BATCH: usize = 500;
const PING_BATCH_INTERVAL: Duration = Duration::from_millis(100);

/// Recovered agents that have not re-registered yet.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    recovered: BTreeMap<AgentId, Arc<v1::AgentInfo>>,
    /// The last known processes of these agents; empty once all have re-registered.
    processes: BTreeMap<Upid, AgentId>,
    /// The number of recovered agents at first.
    expected: usize,
    /// The last agent that was pinged, while others still have to be.
    last_pinged: Option<AgentId>,
    /// The time until all missing agents are pinged again.
    pause: Duration,
    /// Whether an agent has registered that the registry has no record of.
    unknown_agent_seen: bool,
    /// Whether the time of the missing agents to re-register has passed.
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

    /// Returns whether something on this agent (on any agent, if none is named) may still be reported.
    pub fn may_reregister(&self, agent: Option<&v1::AgentId>) -> bool {
        match agent {
            Some(agent) => self.contains(&agent.value),
            None => !self.recovered.is_empty(),
        }
    }

    /// Removes and returns an agent that has re-registered or is removed.
    pub fn take(&mut self, id: &AgentId) -> Option<Arc<v1::AgentInfo>> {
        let taken = self.recovered.remove(id);
        if self.recovered.is_empty() {
            self.processes.clear();
        }
        taken
    }

    /// Returns the recovered agent that had this process.
    pub fn at(&self, process: &Upid) -> Option<&AgentId> {
        self.processes.get(process).filter(|id| self.recovered.contains_key(*id))
    }

    /// Returns whether the recovered agents still have time to re-register; resources of theirs may be free.
    pub fn is_under_way(&self) -> bool {
        !self.overdue && !self.recovered.is_empty()
    }

    /// Notes an unknown agent, and returns whether it is the first one.
    pub fn note_unknown_agent(&mut self) -> bool {
        !std::mem::replace(&mut self.unknown_agent_seen, true)
    }

    fn missing_share(&self) -> f64 {
        self.recovered.len() as f64 / self.expected.max(1) as f64
    }
}

pub(crate) fn recover_from_registry(state: &mut State, cx: &mut Context<'_>) {
    recover_policy(state, cx);
    let registry = state.registry.durable();
    state.recovery.recovered = registry.agents.iter().map(|(id, record)| (id.clone(), record.info.clone())).collect();
    let process = |(id, record): (&AgentId, &AgentRecord)| Some((record.pid.clone()?, id.clone()));
    state.recovery.processes = registry.agents.iter().filter_map(process).collect();
    state.recovery.expected = state.recovery.recovered.len();
    let expected = state.recovery.expected;
    let has_quota = !registry.quotas.is_empty() || !registry.partitions.is_empty();
    recover_unreachable(state, cx);
    state.allocator.start_recovery(cx.now.monotonic, state.recovery.expected, has_quota);
    cx.arm(Timer::RegistryGc, cx.now.monotonic + state.config.registry_gc_interval);
    if state.recovery.expected > 0 {
        tracing::info!(agents = state.recovery.expected, "awaiting the agents of the registry");
        cx.publish(Change::AgentsRecovered(state.recovery.recovered.values().cloned().collect()));
        cx.arm(Timer::RecoveredAgents, cx.now.monotonic + state.config.agent_reregister_timeout);
        cx.arm(Timer::PingRecoveredAgents, cx.now.monotonic + FIRST_PING_DELAY);
    }
    restore_failures(state, cx);
    observe(state, cx, failures::Event::MasterElected { recovered: expected });
    observe_recovery_complete(state, cx);
}

/// Pings recovered agents. A Mesos agent that does not learn of a new leader (a standalone master restarted) does not
/// notice the change until it has received no ping for 75 s. A ping that says that it is not connected makes it
/// register again; agents do not check the sender of a ping, and the ping has no effect on agents that are registering
/// already.
pub(crate) fn ping_recovered_agents(recovery: &mut Recovery, registry: &Registry, cx: &mut Context<'_>) {
    let from = recovery.last_pinged.take().map_or(Bound::Unbounded, Bound::Excluded);
    let mut missing = recovery.recovered.range((from, Bound::Unbounded)).map(|(id, _)| id);
    let batch: Vec<AgentId> = missing.by_ref().take(PING_BATCH).cloned().collect();
    let more = missing.next().is_some();
    let observer: Arc<str> = Arc::from("slave-observer(0)");
    for id in &batch {
        let pid = registry.durable().agents.get(id).and_then(|record| record.pid.clone());
        if let Some(pid) = pid.filter(|_| can_be_removed(registry, id)) {
            cx.send_from(&observer, &pid, internal::PingSlaveMessage { connected: false });
        }
    }
    if more {
        recovery.last_pinged = batch.last().cloned();
        cx.arm(Timer::PingRecoveredAgents, cx.now.monotonic + PING_BATCH_INTERVAL);
    } else if !recovery.recovered.is_empty() {
        let pause = (recovery.pause.max(FIRST_PING_DELAY) * 2).min(MAX_PING_PAUSE);
        recovery.pause = pause;
        cx.arm(Timer::PingRecoveredAgents, cx.now.monotonic + pause);
    }
}

/// Recovers the unreachable agents in the order in which they became unreachable.
fn recover_unreachable(state: &mut State, cx: &mut Context<'_>) {
    let records = &state.registry.durable().unreachable;
    let mut unreachable: Vec<_> = records.iter().map(|(id, record)| (record.since, id.clone())).collect();
    if unreachable.is_empty() {
        return;
    }
    unreachable.sort_by_key(|(since, _)| since.nanoseconds);
    cx.publish(Change::UnreachableRecovered(unreachable.iter().map(|(_, id)| id.clone()).collect()));
    for (since, id) in unreachable {
        state.agents.add_unreachable(id, UnreachableAgent { since, tasks: Vec::new() });
    }
    state.metrics.slaves_unreachable.set(state.agents.unreachable_count() as i64);
}

/// Marks the missing agents unreachable. Mesos ends the master if too many agents are missing
/// (`--recovery_agent_removal_limit`); this master then marks none of them, logs it, and checks again after the same
/// time: a running master serves the agents that are registered.
pub(crate) fn recovered_agents_timed_out(state: &mut State, cx: &mut Context<'_>) {
    let (missing, expected) = (state.recovery.recovered.len(), state.recovery.expected);
    if missing == 0 {
        return;
    }
    state.recovery.overdue = true;
    preempt(state, cx);
    let limit = state.config.recovery_agent_removal_limit;
    if state.recovery.missing_share() > limit {
        cx.arm(Timer::RecoveredAgents, cx.now.monotonic + state.config.agent_reregister_timeout);
        return tracing::error!(
            missing,
            expected,
            "more agents did not come back after the failover than --recovery_agent_removal_limit allows to give up \
             ({:.0}%): none is marked unreachable; look into it, then raise the limit or mark them gone",
            limit * 100.0
        );
    }
    let missing: Vec<AgentId> = state.recovery.recovered.keys().cloned().collect();
    for id in missing {
        if can_be_removed(&state.registry, &id) {
            schedule_mark_unreachable(state, cx, id, UnreachableReason::NotReregisteredAfterFailover);
        }
    }
}
