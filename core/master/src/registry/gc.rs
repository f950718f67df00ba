//! Garbage collection of the registry: agents that left long ago, or are too many.

use std::time::Duration;

use messages::v1::TimeInfo;
use model::AgentId;
use model::master::Change;

use super::continuation::store;
use super::pending::Registry;
use super::{Continuation, RegistryOperation};
use crate::failures::observe;
use crate::interface::{Config, Context, Timer};
use crate::state::State;
use crate::support::time_info;
use model::master::Metrics;

pub(crate) fn prune_registry(config: &Config, metrics: &Metrics, registry: &mut Registry, cx: &mut Context<'_>) {
    cx.arm(Timer::RegistryGc, cx.now.monotonic + config.registry_gc_interval);
    let (age, count) = (config.registry_max_agent_age, config.registry_max_agent_count);
    let now = time_info(cx.now.wall);
    let durable = registry.durable();
    let unreachable = old(durable.unreachable.iter().map(|(id, record)| (id, record.since)), now, age, count);
    let gone = old(durable.gone.iter().map(|(id, since)| (id, *since)), now, age, count);
    if unreachable.is_empty() && gone.is_empty() {
        return;
    }
    tracing::info!(unreachable = unreachable.len(), gone = gone.len(), "forgetting agents that left long ago");
    let operation = RegistryOperation::Prune { unreachable: unreachable.clone(), gone };
    store(metrics, registry, cx, operation, Continuation::Pruned { unreachable });
}

pub(crate) fn registry_pruned(state: &mut State, cx: &mut Context<'_>, unreachable: &[AgentId]) {
    // An agent that returned while this was written, and left again, has a new record.
    let has_record = |id: &AgentId| state.registry.durable().unreachable.contains_key(id);
    let candidates: Vec<AgentId> = unreachable.iter().filter(|id| !has_record(id)).cloned().collect();
    let mut forgotten = Vec::new();
    for agent in candidates {
        if state.agents.take_unreachable(agent.as_str()).is_some() {
            forgotten.push(agent.clone());
        }
        observe(state, cx, failures::Event::AgentRemoved(agent));
    }
    state.metrics.slaves_unreachable.set(state.agents.unreachable_count() as i64);
    if !forgotten.is_empty() {
        cx.publish(Change::UnreachableForgotten(forgotten));
    }
}

/// Returns the agents that left longer ago than `age`, and the oldest beyond `count`.
fn old<'a>(
    agents: impl Iterator<Item = (&'a AgentId, TimeInfo)>,
    now: TimeInfo,
    age: Duration,
    count: usize,
) -> Vec<AgentId> {
    let mut agents: Vec<_> = agents.map(|(id, since)| (since.nanoseconds, id)).collect();
    agents.sort();
    let excess = agents.len().saturating_sub(count);
    let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
    let is_old = |since: i64| now.nanoseconds.saturating_sub(since) > age;
    let candidates = agents.into_iter().enumerate();
    candidates.filter(|(n, (since, _))| *n < excess || is_old(*since)).map(|(_, (_, id))| id.clone()).collect()
}
