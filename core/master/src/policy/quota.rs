//! Quota: UPDATE_QUOTA, and SET_QUOTA and REMOVE_QUOTA from before it.
//!
//! Unlike in Mesos, nested roles may have quota as long as it fits into that of the roles above.

use std::collections::BTreeMap;
use std::sync::Arc;

use allocator::{Quota, check_quotas};
use machine::{CallResponse, Status};
use messages::v1::master::call::UpdateQuota;
use messages::v1::quota::{QuotaConfig, QuotaRequest};
use messages::v1::value;
use model::master::Change;
use model::{OfferId, Role};
use resources::{ResourceQuantities, roles};

use super::PolicyChange;
use super::change::{Policy, Rescind};
use super::consumption::{capacity, consumed_quota, limits_text, offered_within, quantities, quota_of};
use super::partitions::quota_of_partition;
use crate::agents::Agents;
use crate::frameworks::Frameworks;
use crate::interface::{Config, Context};
use crate::offers::{Offers, rescind_offer};
use crate::state::State;
use crate::tasks::Tasks;

pub(super) fn check_update_quota(state: &State, call: UpdateQuota) -> Result<PolicyChange, CallResponse> {
    let force = call.force();
    let configs = call.quota_configs;
    let invalid = |reason: String| CallResponse::bad_request(format!("Invalid QuotaConfig: {reason}"));
    configs.iter().try_for_each(|config| check_config(&state.config, &state.policy, config)).map_err(invalid)?;
    if !force {
        configs
            .iter()
            .try_for_each(|config| check_consumption(&state.agents, &state.frameworks, &state.tasks, config))
            .map_err(invalid)?;
    }
    let mut quotas = intended_quotas(&state.policy);
    quotas.extend(configs.iter().map(|config| (Role::new(&config.role), quota_of(config))));
    check_quotas(&quotas).map_err(|error| invalid(error.to_string()))?;
    if !force {
        check_capacity(&state.agents, &quotas).map_err(|(total, capacity)| {
            invalid(format!(
                "total quota guarantees '{total}' exceed cluster capacity '{capacity}' (use 'force' flag to bypass \
                 this check)"
            ))
        })?;
    }
    Ok(PolicyChange::Quota { configs, rescind: Rescind::AsNeeded })
}

fn check_config(config: &Config, policy: &Policy, quota: &QuotaConfig) -> Result<(), String> {
    let role = &quota.role;
    if !config.role_allowed(role) {
        return Err(format!("'{role}' is not on the roles whitelist"));
    }
    validation::quota::validate_config(quota).map_err(|invalid| invalid.to_string())?;
    if quota_of(quota).is_default() {
        return Ok(());
    }
    check_no_partition(policy, role)
}

fn check_no_partition(policy: &Policy, role: &str) -> Result<(), String> {
    match policy.intended().partitions.values().find(|partition| partition.role == role) {
        Some(partition) => Err(format!(
            "role '{role}' has the partition '{0}', which stands in for its quota: change or remove the \
             partition (PUT or DELETE /partitions/{0})",
            partition.id
        )),
        None => Ok(()),
    }
}

fn check_consumption(
    agents: &Agents,
    frameworks: &Frameworks,
    tasks: &Tasks,
    config: &QuotaConfig,
) -> Result<(), String> {
    let limits = quota_of(config).limits;
    if limits.is_empty() {
        return Ok(());
    }
    let consumed = consumed_quota(agents, frameworks, tasks, &config.role);
    if limits.allow(&consumed) {
        return Ok(());
    }
    let (role, limits) = (&config.role, limits_text(&limits));
    Err(format!(
        "Role '{role}' is already consuming '{consumed}'; this is more than the requested limits '{limits}' (use \
         'force' flag to bypass this check)"
    ))
}

/// Returns every role's quota or partition, with the changes in progress.
pub(super) fn intended_quotas(policy: &Policy) -> BTreeMap<Role, Quota> {
    let intended = policy.intended();
    let quotas = intended.quotas.iter().map(|(role, config)| (role.clone(), quota_of(config)));
    quotas.chain(intended.partitions.values().map(|one| (Role::new(&one.role), quota_of_partition(one)))).collect()
}

/// Checks that the cluster has the guaranteed resources. The guarantee of a role is part of that of the role above that
/// has quota. The error has the guaranteed amounts altogether, and those of the cluster.
pub(super) fn check_capacity(
    agents: &Agents,
    quotas: &BTreeMap<Role, Quota>,
) -> Result<(), (ResourceQuantities, ResourceQuantities)> {
    let mut total = ResourceQuantities::new();
    for (role, quota) in quotas {
        if !roles::ancestors(role.as_str()).any(|above| quotas.contains_key(above)) {
            total += &quota.guarantees;
        }
    }
    let capacity = capacity(agents);
    if capacity.contains(&total) { Ok(()) } else { Err((total, capacity)) }
}

/// Checks a SET_QUOTA; its guarantee is the limit as well.
pub(super) fn check_set_quota(state: &State, request: QuotaRequest) -> Result<PolicyChange, CallResponse> {
    let invalid = |reason: String| CallResponse::bad_request(format!("Failed to validate set quota request: {reason}"));
    validation::resource::validate(&request.guarantee)
        .map_err(|reason| invalid(format!("QuotaInfo with invalid resource: {reason}")))?;
    validation::quota::validate_request(&request).map_err(|reason| invalid(reason.to_string()))?;
    let role = request.role();
    if !state.config.role_allowed(role) {
        return Err(invalid(format!("Unknown role '{role}'")));
    }
    if state.policy.intended().quotas.contains_key(role) {
        return Err(invalid(format!("Cannot set quota for role '{role}' which already has quota")));
    }
    check_no_partition(&state.policy, role).map_err(invalid)?;
    let config = config_of(&request);
    let mut quotas = intended_quotas(&state.policy);
    quotas.insert(Role::new(role), quota_of(&config));
    check_quotas(&quotas).map_err(|error| invalid(error.to_string()))?;
    if !request.force() {
        check_capacity(&state.agents, &quotas).map_err(|(total, capacity)| {
            let text = format!(
                "Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota \
                 guarantees '{total}' exceed cluster capacity '{capacity}'"
            );
            CallResponse::new(Status::Conflict, text)
        })?;
    }
    Ok(PolicyChange::Quota { configs: vec![config], rescind: Rescind::FromEnoughAgents })
}

/// Checks a REMOVE_QUOTA. Both forms of the call are answered as the endpoint answers in Mesos, whose API aborts the
/// master if there is nothing to remove.
pub(super) fn check_remove_quota(config: &Config, policy: &Policy, role: String) -> Result<PolicyChange, CallResponse> {
    let path = format!("path '/master/quota/{role}'");
    let refused = |text: String| Err(CallResponse::bad_request(text));
    if !config.role_allowed(&role) {
        return refused(format!("Failed to validate remove quota request for {path}: Unknown role '{role}'"));
    }
    if !policy.intended().quotas.contains_key(role.as_str()) {
        return refused(format!("Failed to remove quota for {path}: Role '{role}' has no quota set"));
    }
    let mut quotas = intended_quotas(policy);
    quotas.remove(role.as_str());
    if let Err(error) = check_quotas(&quotas) {
        return refused(format!("Failed to remove quota for {path}: {error}"));
    }
    let removed = QuotaConfig { role, ..QuotaConfig::default() };
    Ok(PolicyChange::Quota { configs: vec![removed], rescind: Rescind::Nothing })
}

pub(super) fn set_quotas(state: &mut State, cx: &mut Context<'_>, configs: &[QuotaConfig], rescind: Rescind) {
    // Quota is set first, so that rescinded resources are not allocated by the old quota.
    for config in configs {
        state.allocator.set_quota(&Role::new(&config.role), quota_of(config));
    }
    publish_quotas(state, cx);
    for config in configs {
        match rescind {
            Rescind::Nothing => {}
            Rescind::AsNeeded => rescind_for_quota(state, cx, &config.role, &quota_of(config)),
            Rescind::FromEnoughAgents => rescind_from_enough_agents(state, cx, config),
        }
    }
}

pub(super) fn recover_quotas(state: &mut State, cx: &mut Context<'_>) {
    for (role, config) in &state.registry.durable().quotas {
        state.allocator.set_quota(role, quota_of(config));
    }
    publish_quotas(state, cx);
}

fn publish_quotas(state: &State, cx: &mut Context<'_>) {
    cx.publish(Change::QuotasUpdated(Arc::new(state.registry.durable().quotas.clone())));
}

/// Rescinds offers: those of the role until it is within its limits, those of others until the role may have its
/// guarantee.
pub(super) fn rescind_for_quota(state: &mut State, cx: &mut Context<'_>, role: &str, quota: &Quota) {
    let mut held = consumed_quota(&state.agents, &state.frameworks, &state.tasks, role);
    held += &offered_within(&state.frameworks, &state.offers, role);
    let (own, others): (Vec<OfferId>, Vec<OfferId>) = offers_by_agent(&state.agents, &state.offers)
        .into_iter()
        .partition(|id| state.offers.get(id.as_str()).is_some_and(|offer| roles::is_within(offer.role.as_str(), role)));
    for id in own {
        if quota.limits.allow(&held) {
            break;
        }
        held -= &rescind_counted(state, cx, &id);
    }
    for id in others {
        if held.contains(&quota.guarantees) {
            break;
        }
        held += &rescind_counted(state, cx, &id);
    }
}

/// Rescinds offers as SET_QUOTA does in Mesos: any offers, until the guarantee is covered and every framework of the
/// role can have an agent of its own.
fn rescind_from_enough_agents(state: &mut State, cx: &mut Context<'_>, config: &QuotaConfig) {
    let guarantee = quota_of(config).guarantees;
    let in_role =
        |framework: &&crate::frameworks::Framework| framework.state().is_active() && framework.has_role(&config.role);
    let wanted = state.frameworks.iter().filter(in_role).count();
    let (mut visited, mut rescinded) = (0, ResourceQuantities::new());
    for agent in state.agents.ids() {
        if rescinded.contains(&guarantee) && visited >= wanted {
            break;
        }
        let offers = state.offers.of_agent(agent.as_str());
        visited += usize::from(!offers.is_empty());
        for id in offers {
            rescinded += &rescind_counted(state, cx, &id);
        }
    }
}

fn offers_by_agent(agents: &Agents, offers: &Offers) -> Vec<OfferId> {
    let agents = agents.ids();
    agents.iter().flat_map(|id| offers.of_agent(id.as_str())).collect()
}

fn rescind_counted(state: &mut State, cx: &mut Context<'_>, id: &OfferId) -> ResourceQuantities {
    let offered = state.offers.get(id.as_str()).map(|offer| quantities(&offer.resources));
    rescind_offer(state, cx, id.as_str());
    offered.unwrap_or_default()
}

fn config_of(request: &QuotaRequest) -> QuotaConfig {
    let amount = |resource: &messages::v1::Resource| {
        (resource.name.clone(), value::Scalar { value: resource.scalar.map_or(0.0, |scalar| scalar.value) })
    };
    let amounts: BTreeMap<String, value::Scalar> = request.guarantee.iter().map(amount).collect();
    QuotaConfig { role: request.role().to_owned(), guarantees: amounts.clone(), limits: amounts }
}
