//! The activity of an agent: whether offers are made of it, and the gauges and the allocator that follow each change.

use allocator::Allocator;
use model::AgentId;

use model::master::Metrics;

/// A change of whether offers are made of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActivityChange {
    Activated,
    Deactivated,
}

impl ActivityChange {
    /// Returns the change between two states; `None` if they are equal.
    pub fn between(was_active: bool, is_active: bool) -> Option<Self> {
        match (was_active, is_active) {
            (false, true) => Some(ActivityChange::Activated),
            (true, false) => Some(ActivityChange::Deactivated),
            (false, false) | (true, true) => None,
        }
    }

    /// Applies the change to the gauges and the allocator. The caller has to rescind outstanding offers.
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
