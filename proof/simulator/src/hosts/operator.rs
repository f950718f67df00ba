//! The operator: its calls to the leading master, and what must be remembered of the answers.

use messages::v1;
use messages::v1::master::{Call, call};
use model::{AgentId, FrameworkId};
use v1::maintenance;
use v1::quota::QuotaConfig;

use super::scheduler_operations::{label, persistence, reservation, volume};
use crate::checks::ResourceChange;
use crate::faults::OperatorAction;
use crate::node::Node;

/// Builds the call for an action; `None` if its subject does not exist yet. `reserved` is what an agent has reserved, and
/// `number` makes new names unique.
pub fn call(
    number: u64,
    action: OperatorAction,
    agent: impl Fn(usize) -> Option<AgentId>,
    framework: impl Fn(usize) -> Option<FrameworkId>,
    reserved: impl Fn(usize) -> Vec<v1::Resource>,
) -> Option<Call> {
    let agent = |index: usize| Some(agent(index)?.to_proto());
    let role = |index: usize| format!("role-{index}");
    Some(match action {
        OperatorAction::Drain { agent: index, mark_gone } => {
            let drain = call::DrainAgent { agent_id: agent(index)?, mark_gone: Some(mark_gone), ..Default::default() };
            Call { drain_agent: Some(Box::new(drain)), ..of(call::Type::DrainAgent) }
        }
        OperatorAction::Deactivate { agent: index } => {
            let deactivate = call::DeactivateAgent { agent_id: agent(index)? };
            Call { deactivate_agent: Some(Box::new(deactivate)), ..of(call::Type::DeactivateAgent) }
        }
        OperatorAction::Reactivate { agent: index } => {
            let reactivate = call::ReactivateAgent { agent_id: agent(index)? };
            Call { reactivate_agent: Some(Box::new(reactivate)), ..of(call::Type::ReactivateAgent) }
        }
        OperatorAction::MarkGone { agent: index } => {
            let gone = call::MarkAgentGone { agent_id: agent(index)? };
            Call { mark_agent_gone: Some(Box::new(gone)), ..of(call::Type::MarkAgentGone) }
        }
        OperatorAction::Limit { role: index, cpus } => {
            let cpus = cpus.map(|cpus| ("cpus".to_owned(), v1::value::Scalar { value: f64::from(cpus) }));
            let config = QuotaConfig { role: role(index), limits: cpus.into_iter().collect(), ..Default::default() };
            let update = call::UpdateQuota { force: Some(true), quota_configs: vec![config] };
            Call { update_quota: Some(Box::new(update)), ..of(call::Type::UpdateQuota) }
        }
        OperatorAction::Weight { role: index, weight } => {
            let info = v1::WeightInfo { role: Some(role(index)), weight: f64::from(weight) };
            let update = call::UpdateWeights { weight_infos: vec![info] };
            Call { update_weights: Some(Box::new(update)), ..of(call::Type::UpdateWeights) }
        }
        OperatorAction::Maintenance { agent: index } => {
            let unavailability =
                v1::Unavailability { start: v1::TimeInfo { nanoseconds: i64::MAX / 2 }, duration: None };
            let window = maintenance::Window { machine_ids: vec![machine(index)], unavailability };
            let update = call::UpdateMaintenanceSchedule { schedule: maintenance::Schedule { windows: vec![window] } };
            Call { update_maintenance_schedule: Some(Box::new(update)), ..of(call::Type::UpdateMaintenanceSchedule) }
        }
        // Operators schedule the maintenance first, because a call for a machine that is not in the schedule is
        // refused.
        OperatorAction::StartMaintenance { agent: index } => {
            let start = call::StartMaintenance { machines: vec![machine(index)] };
            Call { start_maintenance: Some(Box::new(start)), ..of(call::Type::StartMaintenance) }
        }
        OperatorAction::StopMaintenance { agent: index } => {
            let stop = call::StopMaintenance { machines: vec![machine(index)] };
            Call { stop_maintenance: Some(Box::new(stop)), ..of(call::Type::StopMaintenance) }
        }
        OperatorAction::Reserve { agent: index, role: of_role } => {
            let label = format!("operator-r{}", number);
            let resources = reservation(&role(of_role), &label, false);
            let reserve = call::ReserveResources { agent_id: agent(index)?, source: Vec::new(), resources };
            Call { reserve_resources: Some(Box::new(reserve)), ..of(call::Type::ReserveResources) }
        }
        OperatorAction::Unreserve { agent: index } => {
            let reserved = reserved(index);
            let disk = reserved.iter().find(|resource| persistence(resource).is_none())?;
            let same: Vec<_> =
                reserved.iter().filter(|r| label(r) == label(disk) && persistence(r).is_none()).cloned().collect();
            let unreserve = call::UnreserveResources { agent_id: agent(index)?, resources: same };
            Call { unreserve_resources: Some(Box::new(unreserve)), ..of(call::Type::UnreserveResources) }
        }
        OperatorAction::CreateVolume { agent: index } => {
            let reserved = reserved(index);
            let disk = reserved.iter().find(|resource| resource.name == "disk" && persistence(resource).is_none())?;
            let volumes = vec![volume(disk, &format!("operator-v{}", number))];
            let create = call::CreateVolumes { agent_id: agent(index)?, volumes };
            Call { create_volumes: Some(Box::new(create)), ..of(call::Type::CreateVolumes) }
        }
        OperatorAction::DestroyVolume { agent: index } => {
            let reserved = reserved(index);
            let volume = reserved.iter().find(|resource| persistence(resource).is_some())?;
            let destroy = call::DestroyVolumes { agent_id: agent(index)?, volumes: vec![volume.clone()] };
            Call { destroy_volumes: Some(Box::new(destroy)), ..of(call::Type::DestroyVolumes) }
        }
        OperatorAction::TearDown { scheduler } => {
            let teardown = call::Teardown { framework_id: framework(scheduler)?.to_proto() };
            Call { teardown: Some(Box::new(teardown)), ..of(call::Type::Teardown) }
        }
    })
}

fn machine(agent: usize) -> v1::MachineId {
    v1::MachineId { hostname: Some(format!("agent-{agent}")), ip: Some(Node::Agent(agent).address().ip().to_string()) }
}

/// Returns the change that a call releases.
pub fn released_by(call: &Call) -> Option<ResourceChange> {
    let unreserved = call.unreserve_resources.as_ref().and_then(|call| label(call.resources.first()?));
    let destroyed = call.destroy_volumes.as_ref().and_then(|call| persistence(call.volumes.first()?));
    unreserved.map(ResourceChange::Unreserve).or_else(|| destroyed.map(ResourceChange::Destroy))
}

fn of(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Default::default() }
}
