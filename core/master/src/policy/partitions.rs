//! Partitions: the part of the cluster that a role may count on, lends while it does not need it, and gets back.
//!
//! An operator keeps them by `PUT /partitions/<id>` and `DELETE /partitions/<id>`. The allocator decides what is lent and
//! what has to come back; `preemption` ends tasks for it.

use std::sync::Arc;

use allocator::{Partition, PartitionId, Quota, ResourceLimits, check_quotas};
use machine::{CallResponse, Status};
use messages::tepui::registry;
use model::Role;
use resources::{Name, ResourceQuantities, Scalar, roles};

use super::PolicyChange;
use super::consumption::limits_text;
use crate::effects::Context;
use crate::input::PartitionRequest;
use crate::master::Master;
use model::master::Change;

/// Ids are parts of paths.
const LONGEST_ID: usize = 64;
const MOST_RESOURCES: usize = 64;
const MOST_PARTITIONS: usize = 10_000;

impl Master {
    pub(super) fn check_partition_request(&self, request: PartitionRequest) -> Result<PolicyChange, CallResponse> {
        match request {
            PartitionRequest::Put { partition, force } => self.check_partition(*partition, force),
            PartitionRequest::Remove(id) => {
                if !self.policy.intended.partitions.contains_key(&id) {
                    let text = format!("There is no partition '{id}'; GET /partitions lists those that exist");
                    return Err(CallResponse::new(Status::NotFound, text));
                }
                Ok(PolicyChange::RemovePartition(id))
            }
        }
    }

    fn check_partition(&self, partition: registry::Partition, force: bool) -> Result<PolicyChange, CallResponse> {
        check_form(&partition).map_err(CallResponse::bad_request)?;
        let role = &partition.role;
        if !self.config.role_allowed(role) {
            let text = format!("Role '{role}' is not among those of --roles; use one that is, or add it there");
            return Err(CallResponse::bad_request(text));
        }
        self.check_role_is_free(&partition)?;
        let mut terms = self.intended_quotas();
        if let Some(before) = self.policy.intended.partitions.get(&partition.id) {
            terms.remove(before.role.as_str());
        }
        let own = quota_of_partition(&partition);
        terms.insert(Role::new(role), own.clone());
        check_quotas(&terms).map_err(|error| {
            CallResponse::bad_request(format!("{error}; change one of the two so that both can be kept"))
        })?;
        if !force {
            self.check_fit(&partition, &own, &terms)?;
        }
        Ok(PolicyChange::Partition(Box::new(partition)))
    }

    /// One partition or one quota per role: nobody should have to guess which of two counts.
    fn check_role_is_free(&self, partition: &registry::Partition) -> Result<(), CallResponse> {
        let (id, role) = (&partition.id, &partition.role);
        let intended = &self.policy.intended;
        let conflict = |text: String| Err(CallResponse::new(Status::Conflict, text));
        if let Some(other) = intended.partitions.values().find(|other| other.role == *role && other.id != *id) {
            let other = &other.id;
            return conflict(format!(
                "Role '{role}' has the partition '{other}' already; change that one, or remove it first (DELETE \
                 /partitions/{other})"
            ));
        }
        if intended.quotas.contains_key(role.as_str()) {
            return conflict(format!(
                "Role '{role}' has quota, which a partition would stand in for; remove the quota first (DELETE \
                 /quota/{role})"
            ));
        }
        if intended.partitions.len() >= MOST_PARTITIONS && !intended.partitions.contains_key(id) {
            return conflict(format!("There are {MOST_PARTITIONS} partitions already; remove one that is not needed"));
        }
        Ok(())
    }

    fn check_fit(
        &self,
        partition: &registry::Partition,
        own: &Quota,
        terms: &std::collections::BTreeMap<Role, Quota>,
    ) -> Result<(), CallResponse> {
        let conflict = |text: String| CallResponse::new(Status::Conflict, text);
        self.check_capacity(terms).map_err(|(total, capacity)| {
            conflict(format!(
                "All minimums and quota guarantees together are '{total}', more than the cluster has: '{capacity}'. \
                 Lower a minimum, add agents, or repeat with ?force=true if agents are about to come"
            ))
        })?;
        if own.limits.is_empty() {
            return Ok(());
        }
        let role = &partition.role;
        let consumed = self.consumed_quota(role);
        if own.limits.allow(&consumed) {
            return Ok(());
        }
        let limits = limits_text(&own.limits);
        Err(conflict(format!(
            "Role '{role}' uses '{consumed}', more than the maximum '{limits}'. Raise the maximum, or repeat with \
             ?force=true: what runs goes on, and nothing is offered until it fits"
        )))
    }

    pub(super) fn set_partition(&mut self, cx: &mut Context<'_>, partition: &registry::Partition) {
        self.allocator.set_partition(in_allocator(partition));
        self.publish_partitions(cx);
        self.rescind_for_quota(cx, &partition.role, &quota_of_partition(partition));
    }

    pub(super) fn remove_partition(&mut self, cx: &mut Context<'_>, id: &str) {
        self.allocator.remove_partition(&PartitionId::new(id));
        self.publish_partitions(cx);
    }

    pub(super) fn recover_partitions(&mut self, cx: &mut Context<'_>) {
        for partition in self.registry.state.partitions.values() {
            self.allocator.set_partition(in_allocator(partition));
        }
        self.publish_partitions(cx);
    }

    fn publish_partitions(&self, cx: &mut Context<'_>) {
        cx.publish(Change::PartitionsUpdated(Arc::new(self.registry.state.partitions.clone())));
    }
}

fn check_form(partition: &registry::Partition) -> Result<(), String> {
    let id = &partition.id;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(plain) || id.chars().all(|c| c == '.') {
        return Err(format!(
            "'{id}' is no id of a partition; use up to {LONGEST_ID} letters, digits, '-', '_' and '.'"
        ));
    }
    roles::validate(&partition.role).map_err(|error| format!("'role' is no role: {error}"))?;
    if partition.weight.is_some_and(|weight| !(weight.is_finite() && weight > 0.0)) {
        return Err("'weight' is not positive; leave it out for 1".to_owned());
    }
    if partition.resources.is_empty() || partition.resources.len() > MOST_RESOURCES {
        return Err(format!(
            "'resources' has to name between 1 and {MOST_RESOURCES} resources, e.g. {{\"cpus\": {{\"min\": 4, \
             \"max\": 16}}}}"
        ));
    }
    partition.resources.iter().try_for_each(check_share)
}

fn check_share(share: &registry::partition::Share) -> Result<(), String> {
    let name = &share.name;
    if name.is_empty() {
        return Err("a resource without a name; use e.g. \"cpus\"".to_owned());
    }
    for (bound, amount) in [("min", share.min), ("max", share.max)] {
        let Some(amount) = amount else { continue };
        validation::framework::validate_scalar(amount)
            .map_err(|error| format!("'{bound}' of '{name}' is no amount: {error}"))?;
        if amount > Scalar::MAX_INPUT {
            return Err(format!("'{bound}' of '{name}' is larger than any cluster; leave 'max' out for no bound"));
        }
    }
    match (share.min, share.max) {
        (None, None) => Err(format!("'{name}' has neither 'min' nor 'max'; give it one of them, or leave it out")),
        (Some(min), Some(max)) if Scalar::from_f64(min) > Scalar::from_f64(max) => {
            Err(format!("'min' of '{name}' is above its 'max'; raise 'max' or lower 'min'"))
        }
        _ => Ok(()),
    }
}

/// The minimums are guarantees, the maximums limits.
pub(super) fn quota_of_partition(partition: &registry::Partition) -> Quota {
    let amount = |name: &str, amount: f64| (Name::new(name), Scalar::from_f64(amount));
    let shares = partition.resources.iter();
    Quota {
        guarantees: shares
            .clone()
            .filter_map(|share| Some(amount(&share.name, share.min?)))
            .collect::<ResourceQuantities>(),
        limits: shares.filter_map(|share| Some(amount(&share.name, share.max?))).collect::<ResourceLimits>(),
    }
}

fn in_allocator(partition: &registry::Partition) -> Partition {
    Partition {
        id: PartitionId::new(&partition.id),
        role: Role::new(&partition.role),
        quota: quota_of_partition(partition),
        priority: partition.priority(),
        weight: partition.weight.unwrap_or(1.0),
        lends: partition.lends(),
        preemptible: partition.preemptible(),
    }
}
