//! The state that the validation of an operation depends on.

use ids::Role;
use messages::v1::{self, agent_info::capability};
use resources::Resources;

/// The caller of an operation and the agent that the operation is for.
pub struct Context<'a> {
    /// The principal of the framework or the operator; `None` without authentication.
    pub principal: Option<&'a str>,
    /// The capabilities of the agent.
    pub agent: OperationAgent,
    /// The framework that asks; `None` for an operator's call.
    pub framework: Option<OperationFramework<'a>>,
    /// The checkpointed resources of the agent: dynamic reservations and persistent volumes, without allocation.
    pub checkpointed: &'a Resources,
    /// Whether a task or an executor of any framework has these (unallocated) resources.
    pub in_use: &'a dyn Fn(&Resources) -> bool,
}

/// The capabilities of an agent that operations depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationAgent {
    /// The capability HIERARCHICAL_ROLE.
    pub hierarchical_role: bool,
    /// The capability RESERVATION_REFINEMENT.
    pub reservation_refinement: bool,
    /// The capability RESOURCE_PROVIDER.
    pub resource_provider: bool,
    /// The capability RESIZE_VOLUME.
    pub resize_volume: bool,
}

impl OperationAgent {
    /// Reads the capabilities that an agent registered with.
    pub fn new(capabilities: &[v1::agent_info::Capability]) -> Self {
        Self::of(&capabilities.iter().filter_map(|capability| capability.r#type).collect::<Vec<_>>())
    }

    /// Reads capabilities from their numbers.
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

/// The framework that asks for an operation.
#[derive(Debug, Clone, Copy)]
pub struct OperationFramework<'a> {
    /// The id of the framework.
    pub id: &'a str,
    /// The roles that it is subscribed to.
    pub roles: &'a [Role],
    /// The capability SHARED_RESOURCES.
    pub shared_resources: bool,
}
