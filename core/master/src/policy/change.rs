//! From an operator's call to a stored, applied and answered change.

use machine::{CallResponse, Status};
use messages::tepui::registry::Partition;
use messages::v1;
use messages::v1::maintenance::Schedule;
use messages::v1::master::Call;
use messages::v1::master::call::Type;
use messages::v1::quota::QuotaConfig;
use model::ReplyId;

use super::inverse::InverseOffers;
use super::preemption::PreemptedTasks;
use crate::effects::Context;
use crate::input::PartitionCall;
use crate::master::Master;
use crate::registry::{Continuation, RegistryOperation, RegistryState};

#[derive(Debug)]
pub(crate) struct Policy {
    /// What the registry will say of policy once every change under way is durable: a change is checked against this,
    /// so that two at a time cannot contradict each other.
    pub intended: RegistryState,
    pub inverse_offers: InverseOffers,
    pub preempted_tasks: PreemptedTasks,
}

/// A change that was found to make sense.
#[derive(Debug, Clone)]
pub(crate) enum PolicyChange {
    Weights(Vec<v1::WeightInfo>),
    Quota {
        configs: Vec<QuotaConfig>,
        rescind: Rescind,
    },
    Partition(Box<Partition>),
    /// By its id.
    RemovePartition(String),
    Schedule(Schedule),
    MachinesDown(Vec<v1::MachineId>),
    MachinesUp(Vec<v1::MachineId>),
}

/// Which offers make room for new quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rescind {
    Nothing,
    /// Those that the guarantees and limits need.
    AsNeeded,
    /// As SET_QUOTA does.
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
        Policy { intended, inverse_offers: InverseOffers::default(), preempted_tasks: PreemptedTasks::default() }
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

impl Master {
    pub(crate) fn policy_call(&mut self, cx: &mut Context<'_>, reply: ReplyId, call: Call) {
        match self.change_of(call) {
            Ok(change) => self.propose(cx, Some(reply), change),
            Err(answer) => cx.reply(reply, answer),
        }
    }

    pub(crate) fn partition_call(&mut self, cx: &mut Context<'_>, call: PartitionCall) {
        match self.check_partition_request(call.request) {
            Ok(change) => self.propose(cx, Some(call.reply), change),
            Err(answer) => cx.reply(call.reply, answer),
        }
    }

    /// Validation has seen to it that the part named by the type is there.
    #[allow(deprecated, reason = "as above")]
    fn change_of(&self, call: Call) -> Result<PolicyChange, CallResponse> {
        let kind = call.r#type();
        match kind {
            Type::UpdateWeights => call.update_weights.map(|call| self.check_weights(call.weight_infos)),
            Type::UpdateQuota => call.update_quota.map(|call| self.check_update_quota(*call)),
            Type::SetQuota => call.set_quota.map(|call| self.check_set_quota(call.quota_request)),
            Type::RemoveQuota => call.remove_quota.map(|call| self.check_remove_quota(call.role)),
            Type::UpdateMaintenanceSchedule => {
                call.update_maintenance_schedule.map(|call| self.check_schedule(call.schedule))
            }
            Type::StartMaintenance => call.start_maintenance.map(|call| self.check_machines_down(call.machines)),
            Type::StopMaintenance => call.stop_maintenance.map(|call| self.check_machines_up(call.machines)),
            _ => None,
        }
        .unwrap_or_else(|| {
            let name = kind.as_str_name().to_lowercase();
            Err(CallResponse::bad_request(format!("Failed to validate master::Call: Expecting '{name}' to be present")))
        })
    }

    /// Makes a change durable; it is applied and answered then. A master's own changes are answered to nobody.
    pub(crate) fn propose(&mut self, cx: &mut Context<'_>, reply: Option<ReplyId>, change: PolicyChange) {
        if let Some(reply) = reply.filter(|_| self.registry_is_full()) {
            let text = "Too many changes are waiting for the registry; try again later";
            return cx.reply(reply, CallResponse::new(Status::ServiceUnavailable, text));
        }
        let operation = change.operation();
        self.policy.intended.apply(&operation);
        self.store(cx, operation, Continuation::Policy { reply, change });
    }

    pub(crate) fn apply_policy_change(&mut self, cx: &mut Context<'_>, reply: Option<ReplyId>, change: PolicyChange) {
        match change {
            PolicyChange::Weights(infos) => self.set_weights(cx, &infos),
            PolicyChange::Quota { configs, rescind } => self.set_quotas(cx, &configs, rescind),
            PolicyChange::Partition(partition) => self.set_partition(cx, &partition),
            PolicyChange::RemovePartition(id) => self.remove_partition(cx, &id),
            PolicyChange::Schedule(_) => self.maintenance_changed(cx),
            PolicyChange::MachinesDown(machines) => self.machines_went_down(cx, &machines),
            PolicyChange::MachinesUp(_) => self.maintenance_changed(cx),
        }
        if let Some(reply) = reply {
            cx.reply(reply, CallResponse::ok());
        }
    }

    /// Policy of the master before this one, at the beginning of the term: no agent is known yet.
    pub(crate) fn recover_policy(&mut self, cx: &mut Context<'_>) {
        self.recover_quotas(cx);
        self.recover_partitions(cx);
        self.recover_weights(cx);
        self.publish_maintenance(cx);
    }
}
