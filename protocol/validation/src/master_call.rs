//! Validation of an operator's call to the master, without regard to the master's state.

use messages::v1::master::{Call, call::Type};

use crate::error::{call_type, present, require};
use crate::{ValidationError, resource};

/// Only persistent volumes of the agent itself can be resized, so the agent must be named.
const AGENT_ID_EXPECTED: &str =
    "Expecting 'agent_id' to be present; only agent default resources are supported right now";

/// Checks an operator's call to the master.
///
/// # Errors
///
/// The reason is that of `master::call::validate` in Mesos' `src/master/validation.cpp`.
#[allow(deprecated, reason = "SET_QUOTA and REMOVE_QUOTA are deprecated and still served")]
pub fn validate(call: &Call) -> Result<(), ValidationError> {
    let kind: Type = call_type(call.r#type)?;
    match kind {
        Type::GetMetrics => present(&call.get_metrics, "get_metrics").map(drop),
        Type::SetLoggingLevel => present(&call.set_logging_level, "set_logging_level").map(drop),
        Type::ListFiles => present(&call.list_files, "list_files").map(drop),
        Type::ReadFile => present(&call.read_file, "read_file").map(drop),
        Type::UpdateWeights => present(&call.update_weights, "update_weights").map(drop),
        Type::ReserveResources => {
            resource::validate_each(&present(&call.reserve_resources, "reserve_resources")?.resources)
        }
        Type::UnreserveResources => {
            resource::validate_each(&present(&call.unreserve_resources, "unreserve_resources")?.resources)
        }
        Type::CreateVolumes => present(&call.create_volumes, "create_volumes").map(drop),
        Type::DestroyVolumes => present(&call.destroy_volumes, "destroy_volumes").map(drop),
        Type::GrowVolume => require(present(&call.grow_volume, "grow_volume")?.agent_id.is_some(), AGENT_ID_EXPECTED),
        Type::ShrinkVolume => {
            require(present(&call.shrink_volume, "shrink_volume")?.agent_id.is_some(), AGENT_ID_EXPECTED)
        }
        Type::UpdateMaintenanceSchedule => {
            present(&call.update_maintenance_schedule, "update_maintenance_schedule").map(drop)
        }
        Type::StartMaintenance => present(&call.start_maintenance, "start_maintenance").map(drop),
        Type::StopMaintenance => present(&call.stop_maintenance, "stop_maintenance").map(drop),
        Type::DrainAgent => present(&call.drain_agent, "drain_agent").map(drop),
        Type::DeactivateAgent => present(&call.deactivate_agent, "deactivate_agent").map(drop),
        Type::ReactivateAgent => present(&call.reactivate_agent, "reactivate_agent").map(drop),
        Type::UpdateQuota => present(&call.update_quota, "update_quota").map(drop),
        Type::SetQuota => present(&call.set_quota, "set_quota").map(drop),
        Type::RemoveQuota => present(&call.remove_quota, "remove_quota").map(drop),
        Type::Teardown => present(&call.teardown, "teardown").map(drop),
        Type::MarkAgentGone => present(&call.mark_agent_gone, "mark_agent_gone").map(drop),
        // The handler answers UNKNOWN with 501 later.
        Type::Unknown
        | Type::GetHealth
        | Type::GetFlags
        | Type::GetVersion
        | Type::GetLoggingLevel
        | Type::GetState
        | Type::GetAgents
        | Type::GetFrameworks
        | Type::GetExecutors
        | Type::GetOperations
        | Type::GetTasks
        | Type::GetRoles
        | Type::GetWeights
        | Type::GetMaster
        | Type::GetMaintenanceStatus
        | Type::GetMaintenanceSchedule
        | Type::GetQuota
        | Type::Subscribe => Ok(()),
    }
}
