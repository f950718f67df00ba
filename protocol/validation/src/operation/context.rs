//! What has to be known beside the message to judge an operation.

use ids::Role;
use messages::v1::{self, agent_info::capability};
use resources::Resources;

pub struct Context<'a> {
    /// Of the framework or of the operator; `None` when nobody is authenticated.
    pub principal: Option<&'a str>,
    pub agent: OperationAgent,
    /// Nothing for an operator's call.
    pub framework: Option<OperationFramework<'a>>,
    /// What the agent has beyond its flags: reservations and volumes, unallocated.
    pub checkpointed: &'a Resources,
    /// Whether a task or an executor of any framework has these (unallocated) resources.
    pub in_use: &'a dyn Fn(&Resources) -> bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationAgent {
    pub hierarchical_role: bool,
    pub reservation_refinement: bool,
    pub resource_provider: bool,
    pub resize_volume: bool,
}

impl OperationAgent {
    pub fn new(capabilities: &[v1::agent_info::Capability]) -> Self {
        Self::of(&capabilities.iter().filter_map(|capability| capability.r#type).collect::<Vec<_>>())
    }

    /// From the numbers of the capabilities.
    pub fn of(numbers: &[i32]) -> Self {
        let has = |wanted: capability::Type| numbers.contains(&(wanted as i32));
        OperationAgent {
            hierarchical_role: has(capability::Type::HierarchicalRole),
            reservation_refinement: has(capability::Type::ReservationRefinement),
            resource_provider: has(capability::Type::ResourceProvider),
            resize_volume: has(capability::Type::ResizeVolume),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct OperationFramework<'a> {
    pub id: &'a str,
    pub roles: &'a [Role],
    /// The capability SHARED_RESOURCES.
    pub shared_resources: bool,
}
