//! Whether offers are made of an agent, and what changes outside the agent with it.

use allocator::Allocator;
use model::AgentId;

use crate::metrics::Metrics;

/// A change of whether offers are made of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActivityChange {
    Activated,
    Deactivated,
}

impl ActivityChange {
    /// `None` if nothing changes.
    pub fn between(was_active: bool, is_active: bool) -> Option<Self> {
        match (was_active, is_active) {
            (false, true) => Some(ActivityChange::Activated),
            (true, false) => Some(ActivityChange::Deactivated),
            (false, false) | (true, true) => None,
        }
    }

    /// Brings the gauges and the allocator to it. Outstanding offers are the caller's to rescind.
    pub fn apply(self, metrics: &Metrics, allocator: &mut Allocator, agent: &AgentId) {
        match self {
            ActivityChange::Activated => {
                metrics.slaves_active.increment();
                metrics.slaves_inactive.decrement();
                allocator.activate_agent(agent);
            }
            ActivityChange::Deactivated => {
                metrics.slaves_active.decrement();
                metrics.slaves_inactive.increment();
                allocator.deactivate_agent(agent);
            }
        }
    }
}
