//! Partitions: a guaranteed part of the cluster for a role, which is lent while the role does not need it.
//!
//! An operator maintains them by `PUT /partitions/<id>` and `DELETE /partitions/<id>`. The allocator decides which
//! resources are lent and which have to be returned; `preemption` kills tasks for it.

use std::sync::Arc;

use allocator::{Partition, PartitionId, Quota, ResourceLimits, check_quotas};
use machine::{CallResponse, Status};
use messages::tepui::registry;
use model::Role;
use model::master::Change;
use resources::{Name, ResourceQuantities, Scalar, roles};

use super::PolicyChange;
use super::change::Policy;
use super::consumption::{consumed_quota, limits_text};
use super::quota::{check_capacity, intended_quotas, rescind_for_quota};
use crate::interface::{Context, PartitionRequest};
use crate::state::State;

/// The longest id in bytes; ids are parts of paths.
const LONGEST_ID: usize = 64;
const MOST_RESOURCES: usize = 64;
const MOST_PARTITIONS: usize = 10_000;

pub(super) fn check_partition_request(state: &State, request: PartitionRequest) -> Result<PolicyChange, CallResponse> {
    match request {
        PartitionRequest::Put { partition, force } => check_partition(state, *partition, force),
        PartitionRequest::Remove(id) => {
            if !state.policy.intended().partitions.contains_key(&id) {
                let text = format!("There is no partition '{id}'; GET /partitions lists those that exist");
                return Err(CallResponse::new(Status::NotFound, text));
            }
            Ok(PolicyChange::RemovePartition(id))
        }
    }
}

fn check_partition(state: &State, partition: registry::Partition, force: bool) -> Result<PolicyChange, CallResponse> {
    check_syntax(&partition).map_err(CallResponse::bad_request)?;
    let role = &partition.role;
    if !state.config.role_allowed(role) {
        let text = format!("Role '{role}' is not among those of --roles; use one that is, or add it there");
        return Err(CallResponse::bad_request(text));
    }
    check_role_is_free(&state.policy, &partition)?;
    let mut quotas = intended_quotas(&state.policy);
    if let Some(before) = state.policy.intended().partitions.get(&partition.id) {
        quotas.remove(before.role.as_str());
    }
    let own = quota_of_partition(&partition);
    quotas.insert(Role::new(role), own.clone());
    check_quotas(&quotas).map_err(|error| {
        CallResponse::bad_request(format!("{error}; change one of the two so that both can be kept"))
    })?;
    if !force {
        check_fit(state, &partition, &own, &quotas)?;
    }
    Ok(PolicyChange::Partition(Box::new(partition)))
}

/// Checks that a role has one partition or one quota, so that it is clear which of two is in force.
fn check_role_is_free(policy: &Policy, partition: &registry::Partition) -> Result<(), CallResponse> {
    let (id, role) = (&partition.id, &partition.role);
    let intended = policy.intended();
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
    state: &State,
    partition: &registry::Partition,
    own: &Quota,
    quotas: &std::collections::BTreeMap<Role, Quota>,
) -> Result<(), CallResponse> {
    let conflict = |text: String| CallResponse::new(Status::Conflict, text);
    check_capacity(&state.agents, quotas).map_err(|(total, capacity)| {
        conflict(format!(
            "All minimums and quota guarantees together are '{total}', more than the cluster has: '{capacity}'. \
             Lower a minimum, add agents, or repeat with ?force=true if agents are about to come"
        ))
    })?;
    if own.limits.is_empty() {
        return Ok(());
    }
    let role = &partition.role;
    let consumed = consumed_quota(&state.agents, &state.frameworks, &state.tasks, role);
    if own.limits.allow(&consumed) {
        return Ok(());
    }
    let limits = limits_text(&own.limits);
    Err(conflict(format!(
        "Role '{role}' uses '{consumed}', more than the maximum '{limits}'. Raise the maximum, or repeat with \
         ?force=true: what runs goes on, and nothing is offered until it fits"
    )))
}

pub(super) fn set_partition(state: &mut State, cx: &mut Context<'_>, partition: &registry::Partition) {
    state.allocator.set_partition(in_allocator(partition));
    publish_partitions(state, cx);
    rescind_for_quota(state, cx, &partition.role, &quota_of_partition(partition));
}

pub(super) fn remove_partition(state: &mut State, cx: &mut Context<'_>, id: &str) {
    state.allocator.remove_partition(&PartitionId::new(id));
    publish_partitions(state, cx);
}

pub(super) fn recover_partitions(state: &mut State, cx: &mut Context<'_>) {
    for partition in state.registry.durable().partitions.values() {
        state.allocator.set_partition(in_allocator(partition));
    }
    publish_partitions(state, cx);
}

fn publish_partitions(state: &State, cx: &mut Context<'_>) {
    cx.publish(Change::PartitionsUpdated(Arc::new(state.registry.durable().partitions.clone())));
}

fn check_syntax(partition: &registry::Partition) -> Result<(), String> {
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

/// Returns the quota of a partition: its minimums are guarantees, its maximums limits.
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
