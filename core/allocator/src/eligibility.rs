//! The capabilities that frameworks and agents need for an offer.

use messages::v1::agent_info::capability::Type as AgentCapability;
use messages::v1::framework_info::capability::Type as Capability;
use model::Role;
use resources::{Resource, ResourceQuantities, Resources};

use crate::agent::Agent;
use crate::explain::IneligibilityReason;
use crate::framework::Framework;
use crate::options::Options;

/// Returns the first capability whose absence keeps an agent from a framework in a role; the resources do not matter.
pub(crate) fn reason_not_capable(
    options: &Options,
    agent: &Agent,
    framework: &Framework,
    role: &Role,
) -> Option<IneligibilityReason> {
    let region = agent.attributes.region.as_deref();
    let remote = region.is_some() && region != options.region.as_deref();
    if options.filter_gpu_resources && !framework.has(Capability::GpuResources) && agent.has_gpus() {
        Some(IneligibilityReason::FrameworkLacks("GPU_RESOURCES"))
    } else if remote && !framework.has(Capability::RegionAware) {
        Some(IneligibilityReason::FrameworkLacks("REGION_AWARE"))
    } else if framework.has(Capability::MultiRole) && !agent.has(AgentCapability::MultiRole) {
        Some(IneligibilityReason::AgentLacks("MULTI_ROLE"))
    } else if role.as_str().contains('/') && !agent.has(AgentCapability::HierarchicalRole) {
        Some(IneligibilityReason::AgentLacks("HIERARCHICAL_ROLE"))
    } else {
        None
    }
}

/// Returns the capability that a framework lacks to be offered a resource.
pub(crate) fn missing_capability(framework: &Framework, resource: &Resource) -> Option<&'static str> {
    if resource.is_shared() && !framework.has(Capability::SharedResources) {
        Some("SHARED_RESOURCES")
    } else if resource.is_revocable() && !framework.has(Capability::RevocableResources) {
        Some("REVOCABLE_RESOURCES")
    } else if resource.has_refined_reservations() && !framework.has(Capability::ReservationRefinement) {
        Some("RESERVATION_REFINEMENT")
    } else {
        None
    }
}

/// Returns whether a framework needs a capability to be offered the resource.
pub(crate) fn needs_capability(resource: &Resource) -> bool {
    resource.is_shared() || resource.is_revocable() || resource.has_refined_reservations()
}

/// Returns whether the resources are enough for an offer: they cover at least one of the minimums, or there are none.
pub(crate) fn is_allocatable(minimums: &[ResourceQuantities], resources: &Resources) -> bool {
    !resources.is_empty() && (minimums.is_empty() || minimums.iter().any(|minimum| resources.covers(minimum)))
}
