//! The calls that operators make to a master and that change something.

use messages::v1;
use messages::v1::master::{Call, call};

use super::{agent_id, framework_id};

fn call_of(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Default::default() }
}

/// Returns MARK_AGENT_GONE.
pub fn mark_agent_gone(agent: &str) -> Call {
    let gone = call::MarkAgentGone { agent_id: agent_id(agent) };
    Call { mark_agent_gone: Some(Box::new(gone)), ..call_of(call::Type::MarkAgentGone) }
}

/// Returns TEARDOWN of a framework.
pub fn teardown_framework(framework: &str) -> Call {
    let teardown = call::Teardown { framework_id: framework_id(framework) };
    Call { teardown: Some(Box::new(teardown)), ..call_of(call::Type::Teardown) }
}

/// Returns DRAIN_AGENT without a maximum grace period.
pub fn drain_agent(agent: &str, mark_gone: bool) -> Call {
    let drain = call::DrainAgent { agent_id: agent_id(agent), max_grace_period: None, mark_gone: Some(mark_gone) };
    Call { drain_agent: Some(Box::new(drain)), ..call_of(call::Type::DrainAgent) }
}

/// Returns DEACTIVATE_AGENT.
pub fn deactivate_agent(agent: &str) -> Call {
    let deactivate = call::DeactivateAgent { agent_id: agent_id(agent) };
    Call { deactivate_agent: Some(Box::new(deactivate)), ..call_of(call::Type::DeactivateAgent) }
}

/// Returns REACTIVATE_AGENT.
pub fn reactivate_agent(agent: &str) -> Call {
    let reactivate = call::ReactivateAgent { agent_id: agent_id(agent) };
    Call { reactivate_agent: Some(Box::new(reactivate)), ..call_of(call::Type::ReactivateAgent) }
}

/// Returns RESERVE_RESOURCES of unreserved resources; `resources` is their reserved form.
pub fn reserve_resources(agent: &str, resources: Vec<v1::Resource>) -> Call {
    exchange_reservations(agent, Vec::new(), resources)
}

/// Returns RESERVE_RESOURCES that changes the reservation of `source`, which is reserved already, to that of
/// `resources`.
pub fn exchange_reservations(agent: &str, source: Vec<v1::Resource>, resources: Vec<v1::Resource>) -> Call {
    let reserve = call::ReserveResources { agent_id: agent_id(agent), source, resources };
    Call { reserve_resources: Some(Box::new(reserve)), ..call_of(call::Type::ReserveResources) }
}

/// Returns UNRESERVE_RESOURCES.
pub fn unreserve_resources(agent: &str, resources: Vec<v1::Resource>) -> Call {
    let unreserve = call::UnreserveResources { agent_id: agent_id(agent), resources };
    Call { unreserve_resources: Some(Box::new(unreserve)), ..call_of(call::Type::UnreserveResources) }
}

/// Returns CREATE_VOLUMES.
pub fn create_volumes(agent: &str, volumes: Vec<v1::Resource>) -> Call {
    let create = call::CreateVolumes { agent_id: agent_id(agent), volumes };
    Call { create_volumes: Some(Box::new(create)), ..call_of(call::Type::CreateVolumes) }
}

/// Returns DESTROY_VOLUMES.
pub fn destroy_volumes(agent: &str, volumes: Vec<v1::Resource>) -> Call {
    let destroy = call::DestroyVolumes { agent_id: agent_id(agent), volumes };
    Call { destroy_volumes: Some(Box::new(destroy)), ..call_of(call::Type::DestroyVolumes) }
}

/// Returns GROW_VOLUME.
pub fn grow_volume(agent: &str, volume: v1::Resource, addition: v1::Resource) -> Call {
    let grow = call::GrowVolume { agent_id: Some(agent_id(agent)), volume, addition };
    Call { grow_volume: Some(Box::new(grow)), ..call_of(call::Type::GrowVolume) }
}

/// Returns SHRINK_VOLUME.
pub fn shrink_volume(agent: &str, volume: v1::Resource, megabytes: f64) -> Call {
    let subtract = v1::value::Scalar { value: megabytes };
    let shrink = call::ShrinkVolume { agent_id: Some(agent_id(agent)), volume, subtract };
    Call { shrink_volume: Some(Box::new(shrink)), ..call_of(call::Type::ShrinkVolume) }
}
