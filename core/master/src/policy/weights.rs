//! Weights of roles: UPDATE_WEIGHTS and `--weights`.

use std::sync::Arc;

use machine::CallResponse;
use messages::v1::WeightInfo;
use model::{OfferId, Role};
use resources::roles;

use super::PolicyChange;
use crate::effects::Context;
use crate::master::Master;
use model::master::Change;

impl Master {
    pub(super) fn check_weights(&self, infos: Vec<WeightInfo>) -> Result<PolicyChange, CallResponse> {
        let checked: Result<Vec<WeightInfo>, String> = infos.into_iter().map(|info| self.check_weight(info)).collect();
        let refused =
            |reason| CallResponse::bad_request(format!("Failed to validate update weights request JSON{reason}"));
        checked.map(PolicyChange::Weights).map_err(refused)
    }

    fn check_weight(&self, info: WeightInfo) -> Result<WeightInfo, String> {
        let role = info.role().trim();
        roles::validate(role).map_err(|invalid| format!(": Invalid role '{role}': {invalid}"))?;
        if !self.config.role_allowed(role) {
            return Err(format!(": Unknown role '{role}'"));
        }
        // Infinite weights and NaN pass in Mesos, and then no share can be compared with another.
        if !(info.weight > 0.0 && info.weight.is_finite()) {
            let weight = info.weight;
            return Err(format!(" for role '{role}': Invalid weight '{weight}': Weights must be positive"));
        }
        Ok(WeightInfo { role: Some(role.to_owned()), ..info })
    }

    pub(super) fn set_weights(&mut self, cx: &mut Context<'_>, infos: &[WeightInfo]) {
        for info in infos {
            self.allocator.set_weight(&Role::new(info.role()), info.weight);
        }
        self.publish_weights(cx);
        // All are divided anew, as long as somebody has a share in one of these roles.
        if infos.iter().any(|info| self.is_in_use(info.role())) {
            self.rescind_all_offers(cx);
        }
    }

    /// Weights in the registry win over those of the flag, which are for the first master of a cluster.
    pub(super) fn recover_weights(&mut self, cx: &mut Context<'_>) {
        let recovered: Vec<(Role, f64)> =
            self.registry.state.weights.iter().map(|(role, weight)| (role.clone(), *weight)).collect();
        for (role, weight) in &recovered {
            self.allocator.set_weight(role, *weight);
        }
        self.publish_weights(cx);
        if recovered.is_empty() && !self.config.weights.is_empty() {
            let info = |(role, weight): (&String, &f64)| WeightInfo { role: Some(role.clone()), weight: *weight };
            let infos = self.config.weights.iter().map(info).collect();
            self.propose(cx, None, PolicyChange::Weights(infos));
        }
    }

    fn publish_weights(&self, cx: &mut Context<'_>) {
        cx.publish(Change::WeightsUpdated(Arc::new(self.registry.state.weights.clone())));
    }

    /// Some framework is subscribed to it or holds something in it.
    fn is_in_use(&self, role: &str) -> bool {
        self.allocator.roles().any(|view| view.role.as_str() == role)
    }

    fn rescind_all_offers(&mut self, cx: &mut Context<'_>) {
        let offers: Vec<OfferId> = self.frameworks.iter().flat_map(|f| f.offers.iter().cloned()).collect();
        for offer in offers {
            self.rescind_offer(cx, offer.as_str());
        }
    }
}
