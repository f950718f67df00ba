//! The calls by which an operator changes the cluster, for [`MasterOperator::call`](crate::MasterOperator::call). Their
//! checks and effects are those of Mesos' operator API.
//!
//! ```no_run
//! use tepui_client::v1::AgentId;
//! use tepui_client::{Address, MasterOperator, operator_calls};
//!
//! # async fn run() -> Result<(), tepui_client::Error> {
//! let master: Address = "127.0.0.1:5050".parse()?;
//! let agent = AgentId { value: "8f4c…-S3".into() };
//! MasterOperator::new(master).call(&operator_calls::drain_agent(agent, None, false)).await?;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use messages::v1::maintenance::Schedule;
use messages::v1::master::Call;
use messages::v1::master::call::{
    CreateVolumes, DeactivateAgent, DestroyVolumes, DrainAgent, GrowVolume, MarkAgentGone, ReactivateAgent,
    ReserveResources, ShrinkVolume, StartMaintenance, StopMaintenance, Type, UnreserveResources,
    UpdateMaintenanceSchedule, UpdateQuota, UpdateWeights,
};
use messages::v1::quota::QuotaConfig;
use messages::v1::value::Scalar;
use messages::v1::{AgentId, MachineId, Resource, WeightInfo};

fn call(kind: Type) -> Call {
    Call { r#type: Some(kind.into()), ..Call::default() }
}

/// UPDATE_QUOTA: replaces the quota of each named role. A configuration without amounts removes it. `force` skips the
/// checks against the resources of the cluster and those in use.
pub fn update_quota(quota_configs: Vec<QuotaConfig>, force: bool) -> Call {
    let update_quota = UpdateQuota { force: Some(force), quota_configs };
    Call { update_quota: Some(Box::new(update_quota)), ..call(Type::UpdateQuota) }
}

/// UPDATE_WEIGHTS: sets the weights of the named roles. Other roles keep theirs.
pub fn update_weights(weight_infos: Vec<WeightInfo>) -> Call {
    Call { update_weights: Some(Box::new(UpdateWeights { weight_infos })), ..call(Type::UpdateWeights) }
}

/// UPDATE_MAINTENANCE_SCHEDULE: replaces the whole schedule.
pub fn update_maintenance_schedule(schedule: Schedule) -> Call {
    let update = UpdateMaintenanceSchedule { schedule };
    Call { update_maintenance_schedule: Some(Box::new(update)), ..call(Type::UpdateMaintenanceSchedule) }
}

/// START_MAINTENANCE: takes scheduled machines down. Their agents are removed.
pub fn start_maintenance(machines: Vec<MachineId>) -> Call {
    Call { start_maintenance: Some(Box::new(StartMaintenance { machines })), ..call(Type::StartMaintenance) }
}

/// STOP_MAINTENANCE: brings machines up and removes them from the schedule.
pub fn stop_maintenance(machines: Vec<MachineId>) -> Call {
    Call { stop_maintenance: Some(Box::new(StopMaintenance { machines })), ..call(Type::StopMaintenance) }
}

/// DRAIN_AGENT: kills the tasks of an agent, each within its own grace period or `max_grace_period` if that is shorter,
/// and stops offering its resources. With `mark_gone` the agent is marked gone afterwards.
pub fn drain_agent(agent_id: AgentId, max_grace_period: Option<Duration>, mark_gone: bool) -> Call {
    let mut drain = DrainAgent { agent_id, mark_gone: Some(mark_gone), ..DrainAgent::default() };
    if let Some(grace) = max_grace_period {
        let period = drain.max_grace_period.get_or_insert_default();
        period.seconds = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        period.nanos = grace.subsec_nanos().cast_signed();
    }
    Call { drain_agent: Some(Box::new(drain)), ..call(Type::DrainAgent) }
}

/// DEACTIVATE_AGENT: stops offering the resources of an agent. Its tasks continue.
pub fn deactivate_agent(agent_id: AgentId) -> Call {
    Call { deactivate_agent: Some(Box::new(DeactivateAgent { agent_id })), ..call(Type::DeactivateAgent) }
}

/// REACTIVATE_AGENT: ends a deactivation, or a draining that has completed.
pub fn reactivate_agent(agent_id: AgentId) -> Call {
    Call { reactivate_agent: Some(Box::new(ReactivateAgent { agent_id })), ..call(Type::ReactivateAgent) }
}

/// MARK_AGENT_GONE: declares that the agent will never return. Its tasks end as TASK_GONE_BY_OPERATOR, and an agent that
/// returns nevertheless is shut down.
pub fn mark_agent_gone(agent_id: AgentId) -> Call {
    Call { mark_agent_gone: Some(Box::new(MarkAgentGone { agent_id })), ..call(Type::MarkAgentGone) }
}

/// RESERVE_RESOURCES: reserves resources. `source` has the resources as they are before; it may be empty if
/// `resources` differ from it only by their last reservation.
pub fn reserve(agent_id: AgentId, source: Vec<Resource>, resources: Vec<Resource>) -> Call {
    let reserve = ReserveResources { agent_id, source, resources };
    Call { reserve_resources: Some(Box::new(reserve)), ..call(Type::ReserveResources) }
}

/// UNRESERVE_RESOURCES: removes the last reservation of each resource.
pub fn unreserve(agent_id: AgentId, resources: Vec<Resource>) -> Call {
    let unreserve = UnreserveResources { agent_id, resources };
    Call { unreserve_resources: Some(Box::new(unreserve)), ..call(Type::UnreserveResources) }
}

/// CREATE_VOLUMES: creates persistent volumes from reserved disk.
pub fn create_volumes(agent_id: AgentId, volumes: Vec<Resource>) -> Call {
    Call { create_volumes: Some(Box::new(CreateVolumes { agent_id, volumes })), ..call(Type::CreateVolumes) }
}

/// DESTROY_VOLUMES: destroys persistent volumes and deletes their data.
pub fn destroy_volumes(agent_id: AgentId, volumes: Vec<Resource>) -> Call {
    Call { destroy_volumes: Some(Box::new(DestroyVolumes { agent_id, volumes })), ..call(Type::DestroyVolumes) }
}

/// GROW_VOLUME: grows a persistent volume by `addition`, which is disk with the same reservation.
pub fn grow_volume(agent_id: AgentId, volume: Resource, addition: Resource) -> Call {
    let grow = GrowVolume { agent_id: Some(agent_id), volume, addition };
    Call { grow_volume: Some(Box::new(grow)), ..call(Type::GrowVolume) }
}

/// SHRINK_VOLUME: shrinks a persistent volume by `subtract` MB.
pub fn shrink_volume(agent_id: AgentId, volume: Resource, subtract: f64) -> Call {
    let shrink = ShrinkVolume { agent_id: Some(agent_id), volume, subtract: Scalar { value: subtract } };
    Call { shrink_volume: Some(Box::new(shrink)), ..call(Type::ShrinkVolume) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_names_its_field() {
        let agent = || AgentId { value: "a".to_owned() };
        let resource = Resource::default;
        let check = |call: Call, field: &str| {
            let json = String::from_utf8(wire::json::encode(&call)).unwrap();
            assert!(json.contains(&format!("\"{field}\":")), "{json}");
            assert!(json.contains(&format!("\"{}\"", field.to_uppercase())), "{json}");
        };
        check(update_quota(Vec::new(), true), "update_quota");
        check(update_weights(Vec::new()), "update_weights");
        check(update_maintenance_schedule(Schedule::default()), "update_maintenance_schedule");
        check(start_maintenance(Vec::new()), "start_maintenance");
        check(stop_maintenance(Vec::new()), "stop_maintenance");
        check(drain_agent(agent(), Some(Duration::from_millis(1500)), true), "drain_agent");
        check(deactivate_agent(agent()), "deactivate_agent");
        check(reactivate_agent(agent()), "reactivate_agent");
        check(mark_agent_gone(agent()), "mark_agent_gone");
        check(reserve(agent(), Vec::new(), Vec::new()), "reserve_resources");
        check(unreserve(agent(), Vec::new()), "unreserve_resources");
        check(create_volumes(agent(), Vec::new()), "create_volumes");
        check(destroy_volumes(agent(), Vec::new()), "destroy_volumes");
        check(grow_volume(agent(), resource(), resource()), "grow_volume");
        check(shrink_volume(agent(), resource(), 1.0), "shrink_volume");
    }

    #[test]
    fn a_grace_period_keeps_its_fraction() {
        let call = drain_agent(AgentId::default(), Some(Duration::from_millis(1500)), false);
        let period = call.drain_agent.unwrap().max_grace_period.unwrap();
        assert_eq!((period.seconds, period.nanos), (1, 500_000_000));
    }
}
