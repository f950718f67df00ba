//! The use of the allocator: reports to it, its runs, and its explanations.

mod explain;
mod run;
mod timer;

pub(crate) use explain::explain;
pub(crate) use run::{
    allocate, allocator, allocator_add_agent, allocator_add_framework, allocator_update_agent,
    allocator_update_framework, pre_refinement, publish_offer_filter_counts, recover_resources, recover_used,
    refuse_duration, schedule_allocation,
};
pub(crate) use timer::AllocationTimer;
