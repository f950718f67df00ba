//! Changes of policy: from an operator's call to a stored, applied and answered change.

use machine::{CallResponse, Status};
use messages::tepui::registry::Partition;
use messages::v1;
use messages::v1::maintenance::Schedule;
use messages::v1::master::Call;
use messages::v1::master::call::Type;
use messages::v1::quota::QuotaConfig;
use model::ReplyId;

use super::maintenance::{
    check_machines_down, check_machines_up, check_schedule, machines_went_down, maintenance_changed,
    publish_maintenance,
};
use super::partitions::{check_partition_request, recover_partitions, remove_partition, set_partition};
use super::quota::{check_remove_quota, check_set_quota, check_update_quota, recover_quotas, set_quotas};
use super::weights::{check_weights, recover_weights, set_weights};
use crate::interface::{Context, PartitionCall};
use crate::registry::{Continuation, RegistryOperation, RegistryState, registry_is_full, store};
use crate::state::State;

#[derive(Debug)]
pub(crate) struct Policy {
    /// The registry's policy once every change in progress is durable. A change is checked against this, so that two at
    /// a time cannot contradict each other.
    intended: RegistryState,
}

/// A change that has been validated.
#[derive(Debug, Clone)]
pub(crate) enum PolicyChange {
    Weights(Vec<v1::WeightInfo>),
    Quota {
        configs: Vec<QuotaConfig>,
        rescind: Rescind,
    },
    Partition(Box<Partition>),
    /// Removes the partition with this id.
    RemovePartition(String),
    Schedule(Schedule),
    MachinesDown(Vec<v1::MachineId>),
    MachinesUp(Vec<v1::MachineId>),
}

/// The offers that are rescinded for new quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rescind {
    Nothing,
    /// The offers that the guarantees and limits need.
    AsNeeded,
    /// The offers that SET_QUOTA rescinds in Mesos.
    FromEnoughAgents,
}

impl Policy {
    pub fn new(registry: &RegistryState) -> Self {
        let intended = RegistryState {
            machines: registry.machines.clone(),
            schedule: registry.schedule.clone(),
            quotas: registry.quotas.clone(),
            weights: registry.weights.clone(),
            partitions: registry.partitions.clone(),
            ..RegistryState::default()
        };
        Policy { intended }
    }

    /// Returns the policy of the registry as it will be once every change in progress is durable.
    pub fn intended(&self) -> &RegistryState {
        &self.intended
    }
}

impl PolicyChange {
    fn operation(&self) -> RegistryOperation {
        match self.clone() {
            PolicyChange::Weights(infos) => RegistryOperation::UpdateWeights(infos),
            PolicyChange::Quota { configs, .. } => RegistryOperation::UpdateQuota(configs),
            PolicyChange::Partition(partition) => RegistryOperation::UpdatePartition(*partition),
            PolicyChange::RemovePartition(id) => RegistryOperation::RemovePartition(id),
            PolicyChange::Schedule(schedule) => RegistryOperation::UpdateSchedule(schedule),
            PolicyChange::MachinesDown(machines) => RegistryOperation::StartMaintenance(machines),
            PolicyChange::MachinesUp(machines) => RegistryOperation::StopMaintenance(machines),
        }
    }
}

#[allow(deprecated, reason = "SET_QUOTA and REMOVE_QUOTA are deprecated, and still served")]
pub(crate) fn is_policy_call(kind: Type) -> bool {
    matches!(
        kind,
        Type::UpdateWeights
            | Type::UpdateQuota
            | Type::SetQuota
            | Type::RemoveQuota
            | Type::UpdateMaintenanceSchedule
            | Type::StartMaintenance
            | Type::StopMaintenance
    )
}

pub(crate) fn policy_call(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, call: Call) {
    match change_of(state, call) {
        Ok(change) => propose(state, cx, Some(reply), change),
        Err(answer) => cx.reply(reply, answer),
    }
}

pub(crate) fn partition_call(state: &mut State, cx: &mut Context<'_>, call: PartitionCall) {
    match check_partition_request(state, call.request) {
        Ok(change) => propose(state, cx, Some(call.reply), change),
        Err(answer) => cx.reply(call.reply, answer),
    }
}

/// Returns the change of a call. Validation ensures that the part named by the type is present.
#[allow(deprecated, reason = "SET_QUOTA and REMOVE_QUOTA are deprecated, and still served")]
fn change_of(state: &State, call: Call) -> Result<PolicyChange, CallResponse> {
    let kind = call.r#type();
    match kind {
        Type::UpdateWeights => call.update_weights.map(|call| check_weights(&state.config, call.weight_infos)),
        Type::UpdateQuota => call.update_quota.map(|call| check_update_quota(state, *call)),
        Type::SetQuota => call.set_quota.map(|call| check_set_quota(state, call.quota_request)),
        Type::RemoveQuota => call.remove_quota.map(|call| check_remove_quota(&state.config, &state.policy, call.role)),
        Type::UpdateMaintenanceSchedule => {
            call.update_maintenance_schedule.map(|call| check_schedule(&state.policy, call.schedule))
        }
        Type::StartMaintenance => call.start_maintenance.map(|call| check_machines_down(&state.policy, call.machines)),
        Type::StopMaintenance => call.stop_maintenance.map(|call| check_machines_up(&state.policy, call.machines)),
        _ => None,
    }
    .unwrap_or_else(|| {
        let name = kind.as_str_name().to_lowercase();
        Err(CallResponse::bad_request(format!("Failed to validate master::Call: Expecting '{name}' to be present")))
    })
}

/// Makes a change durable; it is applied and answered afterwards. A master's own changes are answered to nobody.
pub(crate) fn propose(state: &mut State, cx: &mut Context<'_>, reply: Option<ReplyId>, change: PolicyChange) {
    if let Some(reply) = reply.filter(|_| registry_is_full(&state.config, &state.registry)) {
        let text = "Too many changes are waiting for the registry; try again later";
        return cx.reply(reply, CallResponse::new(Status::ServiceUnavailable, text));
    }
    let operation = change.operation();
    state.policy.intended.apply(&operation);
    store(&state.metrics, &mut state.registry, cx, operation, Continuation::Policy { reply, change });
}

pub(crate) fn apply_policy_change(
    state: &mut State,
    cx: &mut Context<'_>,
    reply: Option<ReplyId>,
    change: PolicyChange,
) {
    match change {
        PolicyChange::Weights(infos) => set_weights(state, cx, &infos),
        PolicyChange::Quota { configs, rescind } => set_quotas(state, cx, &configs, rescind),
        PolicyChange::Partition(partition) => set_partition(state, cx, &partition),
        PolicyChange::RemovePartition(id) => remove_partition(state, cx, &id),
        PolicyChange::Schedule(_) => maintenance_changed(state, cx),
        PolicyChange::MachinesDown(machines) => {
            machines_went_down(&state.agents, &mut state.registry, &state.metrics, cx, &machines)
        }
        PolicyChange::MachinesUp(_) => maintenance_changed(state, cx),
    }
    if let Some(reply) = reply {
        cx.reply(reply, CallResponse::ok());
    }
}

/// Recovers the policy at the beginning of the term, before any agent is known.
pub(crate) fn recover_policy(state: &mut State, cx: &mut Context<'_>) {
    recover_quotas(state, cx);
    recover_partitions(state, cx);
    recover_weights(state, cx);
    publish_maintenance(&state.registry, cx);
}
