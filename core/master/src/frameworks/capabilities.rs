//! The capabilities of frameworks that the master's decisions depend on.

use messages::v1;
use v1::framework_info::capability::Type as FrameworkCapability;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FrameworkCapabilities {
    pub multi_role: bool,
    pub partition_aware: bool,
    pub reservation_refinement: bool,
    pub shared_resources: bool,
}

impl FrameworkCapabilities {
    pub fn of(info: &v1::FrameworkInfo) -> Self {
        let has = |kind: FrameworkCapability| info.capabilities.iter().any(|c| c.r#type == Some(kind as i32));
        FrameworkCapabilities {
            multi_role: has(FrameworkCapability::MultiRole),
            partition_aware: has(FrameworkCapability::PartitionAware),
            reservation_refinement: has(FrameworkCapability::ReservationRefinement),
            shared_resources: has(FrameworkCapability::SharedResources),
        }
    }
}
