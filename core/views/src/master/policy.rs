//! The decisions of operators (weights, quota, partitions, maintenance), and the answers of frameworks to maintenance.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::tepui::registry::Partition;
use messages::v1;
use messages::v1::allocator::InverseOfferStatus;
use messages::v1::machine_info::Mode;
use messages::v1::maintenance::{ClusterStatus, cluster_status::DrainingMachine};
use messages::v1::master::response::GetWeights;
use messages::v1::quota::{QuotaConfig, QuotaInfo, QuotaStatus};
use model::master::MaintenanceSnapshot;
use model::{AgentId, FrameworkId, Role};

use super::Snapshot;

#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    pub weights: Arc<BTreeMap<Role, f64>>,
    pub quotas: Arc<BTreeMap<Role, QuotaConfig>>,
    /// The partitions by id.
    pub partitions: Arc<BTreeMap<String, Partition>>,
    pub maintenance: Arc<MaintenanceSnapshot>,
    /// The last answer of each framework to an inverse offer of each agent.
    answers: BTreeMap<AgentId, BTreeMap<FrameworkId, InverseOfferStatus>>,
}

impl Policy {
    pub fn answer(&mut self, agent: &AgentId, framework: &FrameworkId, status: &InverseOfferStatus) {
        self.answers.entry(agent.clone()).or_default().insert(framework.clone(), status.clone());
    }

    pub fn has_answers_about(&self, agent: &AgentId) -> bool {
        self.answers.contains_key(agent)
    }

    pub fn forget_agent(&mut self, agent: &AgentId) {
        self.answers.remove(agent);
    }

    pub fn has_answers_of(&self, framework: &FrameworkId) -> bool {
        self.answers.values().any(|of_agent| of_agent.contains_key(framework))
    }

    pub fn forget_framework(&mut self, framework: &FrameworkId) {
        self.answers.values_mut().for_each(|of_agent| drop(of_agent.remove(framework)));
        self.answers.retain(|_, of_agent| !of_agent.is_empty());
    }
}

/// Returns the weights; `None` if none was ever set, since Mesos leaves the member out then.
pub(super) fn weights(snapshot: &Snapshot) -> Option<GetWeights> {
    let info = |(role, weight): (&Role, &f64)| v1::WeightInfo { role: Some(role.to_string()), weight: *weight };
    let shown = snapshot.policy.weights.iter().filter(|(role, _)| snapshot.visibility.shows_role(role.as_str()));
    let weight_infos: Vec<v1::WeightInfo> = shown.map(info).collect();
    (!weight_infos.is_empty()).then_some(GetWeights { weight_infos })
}

#[allow(deprecated, reason = "Mesos still answers in the form from before limits as well")]
pub(super) fn quota(snapshot: &Snapshot) -> QuotaStatus {
    let quotas = snapshot.policy.quotas.values().filter(|config| snapshot.visibility.shows_role(&config.role));
    QuotaStatus { infos: quotas.clone().map(info).collect(), configs: quotas.cloned().collect() }
}

/// Returns a quota in the form from before limits.
fn info(config: &QuotaConfig) -> QuotaInfo {
    let resource = |(name, value): (&str, f64)| v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value }),
        ..v1::Resource::default()
    };
    QuotaInfo {
        role: Some(config.role.clone()),
        guarantee: guarantees(config).map(resource).collect(),
        ..QuotaInfo::default()
    }
}

/// Iterates over the guarantees; a guarantee of zero is none.
pub(crate) fn guarantees(config: &QuotaConfig) -> impl Iterator<Item = (&str, f64)> {
    amounts(&config.guarantees).filter(|(_, value)| *value != 0.0)
}

/// Iterates over the limits; a limit of zero is one.
pub(crate) fn limits(config: &QuotaConfig) -> impl Iterator<Item = (&str, f64)> {
    amounts(&config.limits)
}

fn amounts(amounts: &BTreeMap<String, v1::value::Scalar>) -> impl Iterator<Item = (&str, f64)> {
    amounts.iter().map(|(name, amount)| (name.as_str(), amount.value))
}

pub(super) fn status(snapshot: &Snapshot) -> ClusterStatus {
    let machines = &snapshot.policy.maintenance.machines;
    let in_mode = |mode: Mode| machines.iter().filter(move |machine| machine.mode() == mode);
    let mut answers = answers_by_machine(snapshot);
    let draining = |machine: &v1::MachineInfo| DrainingMachine {
        id: machine.id.clone(),
        statuses: answers.remove(&names(&machine.id)).unwrap_or_default(),
    };
    ClusterStatus {
        draining_machines: in_mode(Mode::Draining).map(draining).collect(),
        down_machines: in_mode(Mode::Down).map(|machine| machine.id.clone()).collect(),
    }
}

/// The host name and the address of a machine; host names are compared in lower case, as in Mesos.
type MachineNames = (String, String);

fn names(id: &v1::MachineId) -> MachineNames {
    (id.hostname().to_lowercase(), id.ip().to_owned())
}

fn answers_by_machine(snapshot: &Snapshot) -> BTreeMap<MachineNames, Vec<InverseOfferStatus>> {
    let answers = &snapshot.policy.answers;
    let mut by_machine: BTreeMap<MachineNames, Vec<InverseOfferStatus>> = BTreeMap::new();
    if answers.is_empty() {
        return by_machine;
    }
    for agent in snapshot.agents.iter().map(|agent| &agent.snapshot) {
        if let Some(of_agent) = answers.get(&agent.id) {
            let machine = (agent.info.hostname.to_lowercase(), agent.pid.address.ip().to_string());
            let shown = of_agent.iter().filter(|(framework, _)| snapshot.shows_framework_named(framework.as_str()));
            by_machine.entry(machine).or_default().extend(shown.map(|(_, status)| status.clone()));
        }
    }
    by_machine
}
