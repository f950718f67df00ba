//! What the registry forgets: agents that left long ago, or are too many.

use std::time::Duration;

use messages::v1::TimeInfo;
use model::AgentId;

use super::{Continuation, RegistryOperation};
use crate::effects::{Context, Timer};
use crate::master::Master;
use crate::text::time_info;

impl Master {
    pub(crate) fn prune_registry(&mut self, cx: &mut Context<'_>) {
        cx.arm(Timer::RegistryGc, cx.now.monotonic + self.config.registry_gc_interval);
        let (age, count) = (self.config.registry_max_agent_age, self.config.registry_max_agent_count);
        let now = time_info(cx.now.wall);
        let state = &self.registry.state;
        let unreachable = old(state.unreachable.iter().map(|(id, record)| (id, record.since)), now, age, count);
        let gone = old(state.gone.iter().map(|(id, since)| (id, *since)), now, age, count);
        if unreachable.is_empty() && gone.is_empty() {
            return;
        }
        tracing::info!(unreachable = unreachable.len(), gone = gone.len(), "forgetting agents that left long ago");
        let operation = RegistryOperation::Prune { unreachable: unreachable.clone(), gone };
        self.store(cx, operation, Continuation::Pruned { unreachable });
    }

    pub(crate) fn registry_pruned(&mut self, cx: &mut Context<'_>, unreachable: &[AgentId]) {
        // One that returned while this was written, and left again, has a new record.
        let still = |id: &&AgentId| !self.registry.state.unreachable.contains_key(*id);
        let forgotten: Vec<AgentId> = unreachable.iter().filter(still).cloned().collect();
        self.agents.forget_unreachable(&forgotten);
        self.metrics.slaves_unreachable.set(self.agents.unreachable_count() as i64);
        for agent in forgotten {
            self.observe(cx, failures::Event::AgentLost { agent, loss: failures::AgentLoss::Gone });
        }
    }
}

/// Those that left longer ago than `age`, and the oldest beyond `count`.
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
