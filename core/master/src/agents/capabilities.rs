//! The capabilities of agents that the master's decisions depend on.

use messages::v1;
use v1::agent_info::capability::Type as AgentCapability;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AgentCapabilities {
    pub multi_role: bool,
    pub reservation_refinement: bool,
    pub resource_provider: bool,
    pub operation_feedback: bool,
    pub task_resource_limits: bool,
    pub draining: bool,
}

impl AgentCapabilities {
    /// Reads the numbers of an `AgentSnapshot`.
    pub fn of(numbers: &[i32]) -> Self {
        let has = |kind: AgentCapability| numbers.contains(&(kind as i32));
        AgentCapabilities {
            multi_role: has(AgentCapability::MultiRole),
            reservation_refinement: has(AgentCapability::ReservationRefinement),
            resource_provider: has(AgentCapability::ResourceProvider),
            operation_feedback: has(AgentCapability::AgentOperationFeedback),
            task_resource_limits: has(AgentCapability::TaskResourceLimits),
            draining: has(AgentCapability::AgentDraining),
        }
    }
}

/// Returns the numbers in ascending order and without repetition, as `AgentSnapshot` has them.
pub(crate) fn capability_numbers(capabilities: &[v1::agent_info::Capability]) -> Vec<i32> {
    let mut numbers: Vec<i32> = capabilities.iter().filter_map(|c| c.r#type).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
