//! The state of the registry, which outlives a master.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::tepui::registry::Partition;
use messages::v1;
use messages::v1::maintenance::Schedule;
use messages::v1::quota::QuotaConfig;
use model::{AgentId, Role, Upid};

use super::RegistryOperation;

/// The durable state of a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegistryState {
    /// The last master that wrote the registry.
    pub master: Option<v1::MasterInfo>,
    /// The agents that are admitted, and neither unreachable nor gone.
    pub agents: BTreeMap<AgentId, AgentRecord>,
    /// The agents that are marked unreachable, and have neither returned nor are gone.
    pub unreachable: BTreeMap<AgentId, UnreachableRecord>,
    /// The agents that are gone, with the time since when.
    pub gone: BTreeMap<AgentId, v1::TimeInfo>,
    /// The machines in the maintenance schedule: draining or down.
    pub machines: BTreeMap<MachineKey, v1::MachineInfo>,
    /// The maintenance schedule.
    pub schedule: Schedule,
    /// Quotas by role.
    pub quotas: BTreeMap<Role, QuotaConfig>,
    /// Weights by role.
    pub weights: BTreeMap<Role, f64>,
    /// The partitions by id.
    pub partitions: BTreeMap<String, Partition>,
    /// The open incidents and a bounded history, by number.
    pub incidents: BTreeMap<u64, Arc<model::incident::Incident>>,
    /// The histories of agents with failures.
    pub failure_histories: BTreeMap<AgentId, Arc<failures::FailureHistory>>,
}

/// A registered agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRecord {
    /// The agent's description of itself.
    pub info: Arc<v1::AgentInfo>,
    /// The agent's process at the time of this record; `None` if it is not known.
    pub pid: Option<Upid>,
    /// The drain that is in progress or done; `None` if there is none.
    pub drain: Option<v1::DrainInfo>,
    /// Whether an operator has deactivated the agent.
    pub deactivated: bool,
}

/// An unreachable agent.
#[derive(Debug, Clone, PartialEq)]
pub struct UnreachableRecord {
    /// The time at which the agent was marked unreachable.
    pub since: v1::TimeInfo,
    /// The drain that is in progress or done; `None` if there is none.
    pub drain: Option<v1::DrainInfo>,
    /// Whether an operator has deactivated the agent.
    pub deactivated: bool,
}

/// A machine's id as a key. Host names are compared in lower case, as in Mesos.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineKey {
    /// The host name in lower case; empty if the machine is named by its address alone.
    pub hostname: String,
    /// The address in dotted form; empty if the machine is named by its host name alone.
    pub ip: String,
}

impl MachineKey {
    /// Returns the machine of an agent with this host name and this process. The maintenance of a machine concerns an
    /// agent if both names agree, as in Mesos.
    pub(crate) fn of_agent(hostname: &str, pid: &Upid) -> Self {
        MachineKey { hostname: hostname.to_lowercase(), ip: pid.address.ip().to_string() }
    }
}

impl From<&v1::MachineId> for MachineKey {
    fn from(id: &v1::MachineId) -> Self {
        MachineKey { hostname: id.hostname().to_lowercase(), ip: id.ip().to_owned() }
    }
}

impl RegistryState {
    /// Applies one change, which was validated before.
    pub fn apply(&mut self, operation: &RegistryOperation) {
        use RegistryOperation as Op;
        match operation {
            Op::Recover(info) => self.master = Some((**info).clone()),
            Op::AdmitAgent(info, pid) => self.admit(info, pid, None, false),
            Op::UpdateAgent(info, pid) => self.update(info, pid),
            Op::MarkUnreachable { agent, since } => self.mark_unreachable(agent, *since),
            Op::MarkReachable(info, pid) => self.mark_reachable(info, pid),
            Op::RemoveAgent(agent) => {
                self.agents.remove(agent);
            }
            Op::MarkGone { agent, since } => {
                self.agents.remove(agent);
                self.unreachable.remove(agent);
                self.gone.insert(agent.clone(), *since);
            }
            Op::DrainAgent { agent, config } => {
                let info = v1::DrainInfo { state: v1::DrainState::Draining as i32, config: *config };
                self.update_drain_state(agent, |drain, deactivated| {
                    *drain = Some(info);
                    *deactivated = true;
                });
            }
            Op::MarkDrained(agent) => self.update_drain_state(agent, |drain, _| {
                if let Some(info) = drain {
                    info.state = v1::DrainState::Drained as i32;
                }
            }),
            Op::DeactivateAgent(agent) => self.update_drain_state(agent, |_, deactivated| *deactivated = true),
            Op::ReactivateAgent(agent) => self.update_drain_state(agent, |drain, deactivated| {
                *drain = None;
                *deactivated = false;
            }),
            Op::UpdateSchedule(schedule) => self.update_schedule(schedule),
            Op::StartMaintenance(machines) => self.start_maintenance(machines),
            Op::StopMaintenance(machines) => self.stop_maintenance(machines),
            Op::UpdateQuota(configs) => self.update_quota(configs),
            Op::UpdateWeights(infos) => {
                self.weights.extend(infos.iter().map(|info| (Role::new(info.role()), info.weight)));
            }
            Op::UpdatePartition(partition) => {
                self.partitions.insert(partition.id.clone(), partition.clone());
            }
            Op::RemovePartition(id) => {
                self.partitions.remove(id);
            }
            Op::PersistFailures(changes) => {
                for (number, incident) in &changes.incidents {
                    set(&mut self.incidents, number, incident.as_ref());
                }
                for (agent, history) in &changes.failure_histories {
                    set(&mut self.failure_histories, agent, history.as_ref());
                }
            }
            Op::Prune { unreachable, gone } => {
                for agent in unreachable {
                    self.unreachable.remove(agent);
                }
                for agent in gone {
                    self.gone.remove(agent);
                }
            }
        }
    }

    fn admit(&mut self, info: &Arc<v1::AgentInfo>, pid: &Upid, drain: Option<v1::DrainInfo>, deactivated: bool) {
        if let Some(id) = info.id.as_ref().map(AgentId::from) {
            // An id is never admitted twice; if it were, the agent must still be in one list only.
            self.unreachable.remove(&id);
            self.agents.insert(id, AgentRecord { info: info.clone(), pid: Some(pid.clone()), drain, deactivated });
        }
    }

    fn update(&mut self, info: &Arc<v1::AgentInfo>, pid: &Upid) {
        let record = info.id.as_ref().and_then(|id| self.agents.get_mut(id.value.as_str()));
        if let Some(record) = record {
            record.info = info.clone();
            record.pid = Some(pid.clone());
        }
    }

    /// Draining and deactivation stay with an agent through an outage.
    fn mark_unreachable(&mut self, agent: &AgentId, since: v1::TimeInfo) {
        let Some(AgentRecord { drain, deactivated, .. }) = self.agents.remove(agent) else { return };
        self.unreachable.insert(agent.clone(), UnreachableRecord { since, drain, deactivated });
    }

    fn mark_reachable(&mut self, info: &Arc<v1::AgentInfo>, pid: &Upid) {
        let Some(id) = &info.id else { return };
        match (self.unreachable.remove(id.value.as_str()), self.agents.contains_key(id.value.as_str())) {
            (Some(UnreachableRecord { drain, deactivated, .. }), _) => self.admit(info, pid, drain, deactivated),
            (None, true) => self.update(info, pid),
            (None, false) => self.admit(info, pid, None, false),
        }
    }

    fn update_drain_state(&mut self, agent: &AgentId, change: impl FnOnce(&mut Option<v1::DrainInfo>, &mut bool)) {
        if let Some(record) = self.agents.get_mut(agent) {
            change(&mut record.drain, &mut record.deactivated);
        } else if let Some(record) = self.unreachable.get_mut(agent) {
            change(&mut record.drain, &mut record.deactivated);
        }
    }

    /// Replaces the schedule. A machine that is down stays down: the schedule was checked against that.
    fn update_schedule(&mut self, schedule: &Schedule) {
        let mut machines = BTreeMap::new();
        for window in &schedule.windows {
            for id in &window.machine_ids {
                let key = MachineKey::from(id);
                let known = self.machines.get(&key).and_then(|machine| machine.mode);
                let mode = known.unwrap_or(v1::machine_info::Mode::Draining as i32);
                let info = v1::MachineInfo {
                    id: id.clone(),
                    mode: Some(mode),
                    unavailability: Some(Box::new(window.unavailability)),
                };
                machines.insert(key, info);
            }
        }
        self.machines = machines;
        self.schedule = schedule.clone();
    }

    fn start_maintenance(&mut self, machines: &[v1::MachineId]) {
        for id in machines {
            if let Some(machine) = self.machines.get_mut(&MachineKey::from(id)) {
                machine.mode = Some(v1::machine_info::Mode::Down as i32);
            }
        }
    }

    fn stop_maintenance(&mut self, machines: &[v1::MachineId]) {
        for id in machines {
            let key = MachineKey::from(id);
            self.machines.remove(&key);
            for window in &mut self.schedule.windows {
                window.machine_ids.retain(|other| MachineKey::from(other) != key);
            }
        }
        self.schedule.windows.retain(|window| !window.machine_ids.is_empty());
    }

    fn update_quota(&mut self, configs: &[QuotaConfig]) {
        for config in configs {
            if config.guarantees.is_empty() && config.limits.is_empty() {
                self.quotas.remove(config.role.as_str());
            } else {
                self.quotas.insert(Role::new(&config.role), config.clone());
            }
        }
    }
}

fn set<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, key: &K, value: Option<&V>) {
    match value {
        Some(value) => drop(map.insert(key.clone(), value.clone())),
        None => drop(map.remove(key)),
    }
}
