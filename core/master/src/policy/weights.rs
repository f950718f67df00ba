//! Weights of roles: UPDATE_WEIGHTS and `--weights`.

use std::sync::Arc;

use allocator::Allocator;
use machine::CallResponse;
use messages::v1::WeightInfo;
use model::master::Change;
use model::{OfferId, Role};
use resources::roles;

use super::PolicyChange;
use super::change::propose;
use crate::interface::{Config, Context};
use crate::offers::rescind_offer;
use crate::state::State;

pub(super) fn check_weights(config: &Config, infos: Vec<WeightInfo>) -> Result<PolicyChange, CallResponse> {
    let checked: Result<Vec<WeightInfo>, String> = infos.into_iter().map(|info| check_weight(config, info)).collect();
    let refused = |reason| CallResponse::bad_request(format!("Failed to validate update weights request JSON{reason}"));
    checked.map(PolicyChange::Weights).map_err(refused)
}

fn check_weight(config: &Config, info: WeightInfo) -> Result<WeightInfo, String> {
    let role = info.role().trim();
    roles::validate(role).map_err(|invalid| format!(": Invalid role '{role}': {invalid}"))?;
    if !config.role_allowed(role) {
        return Err(format!(": Unknown role '{role}'"));
    }
    // Mesos accepts infinite weights and NaN, and then no share can be compared with another.
    if !(info.weight > 0.0 && info.weight.is_finite()) {
        let weight = info.weight;
        return Err(format!(" for role '{role}': Invalid weight '{weight}': Weights must be positive"));
    }
    Ok(WeightInfo { role: Some(role.to_owned()), ..info })
}

pub(super) fn set_weights(state: &mut State, cx: &mut Context<'_>, infos: &[WeightInfo]) {
    for info in infos {
        state.allocator.set_weight(&Role::new(info.role()), info.weight);
    }
    publish_weights(state, cx);
    // All offers are rescinded, so that resources are divided anew, as long as a framework has a share in one of these
    // roles.
    if infos.iter().any(|info| is_in_use(&state.allocator, info.role())) {
        rescind_all_offers(state, cx);
    }
}

/// Recovers the weights. Weights in the registry take precedence over the flag, which is for the first master of a
/// cluster.
pub(super) fn recover_weights(state: &mut State, cx: &mut Context<'_>) {
    let recovered: Vec<(Role, f64)> =
        state.registry.durable().weights.iter().map(|(role, weight)| (role.clone(), *weight)).collect();
    for (role, weight) in &recovered {
        state.allocator.set_weight(role, *weight);
    }
    publish_weights(state, cx);
    if recovered.is_empty() && !state.config.weights.is_empty() {
        let info = |(role, weight): (&String, &f64)| WeightInfo { role: Some(role.clone()), weight: *weight };
        let infos = state.config.weights.iter().map(info).collect();
        propose(state, cx, None, PolicyChange::Weights(infos));
    }
}

fn publish_weights(state: &State, cx: &mut Context<'_>) {
    cx.publish(Change::WeightsUpdated(Arc::new(state.registry.durable().weights.clone())));
}

/// Returns whether a framework is subscribed to the role or has resources in it.
fn is_in_use(allocator: &Allocator, role: &str) -> bool {
    allocator.roles().any(|view| view.role.as_str() == role)
}

fn rescind_all_offers(state: &mut State, cx: &mut Context<'_>) {
    let offers: Vec<OfferId> =
        state.frameworks.iter().flat_map(|f| state.offers.of_framework(f.id().as_str())).collect();
    for offer in offers {
        rescind_offer(state, cx, offer.as_str());
    }
}
