//! The records of the registry: one per agent, machine, role and partition, so that the cost of a commit depends on the
//! changes and not on the size of the registry. The values are protobuf; readers skip fields that they do not know, and
//! the record `format` keeps a master from reading records that it would misinterpret.

use std::collections::BTreeSet;
use std::sync::Arc;

use messages::internal::registry as proto;
use messages::schema::HasDescriptor;
use messages::tepui::registry::{Agent, Format, Partition};
use messages::v1;
use messages::v1::maintenance::Schedule;
use messages::v1::quota::QuotaConfig;
use model::{AgentId, RecordWrite, Role};
use wire::{DecodeError, Limits, decode, encode};

use super::failures::{history_record, incident_record, read_history, read_incident};
use super::{AgentRecord, MachineKey, RegistryOperation, RegistryState, UnreachableRecord};

/// The format that this master writes, and the newest it can read.
const FORMAT: u32 = 1;

/// A record in the store: its key and its bytes.
pub type Entry = (String, Vec<u8>);

/// The reason for which a registry cannot be read. No record of it is used then.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum CorruptRegistry {
    #[error("record {key} of the registry is damaged")]
    Record { key: String, source: DecodeError },
    #[error("record {key} of the registry describes something else")]
    Misplaced { key: String },
    #[error("record {key} of the registry says what this version does not know")]
    Meaning { key: String, source: model::incident::UnknownName },
    #[error("record {key} of the registry is of no known kind")]
    Unknown { key: String },
    #[error("the registry has records, but does not say in which format")]
    NoFormat,
    #[error(
        "the registry needs a master that reads format {required}, this one reads up to {FORMAT}: use a newer version"
    )]
    TooNew { required: u32 },
}

impl CorruptRegistry {
    /// Returns whether no version of this program can have written the registry.
    pub fn is_damage(&self) -> bool {
        match self {
            CorruptRegistry::Record { .. } | CorruptRegistry::Misplaced { .. } | CorruptRegistry::NoFormat => true,
            CorruptRegistry::Meaning { .. } | CorruptRegistry::Unknown { .. } | CorruptRegistry::TooNew { .. } => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Format,
    Master,
    Agent(AgentId),
    Unreachable(AgentId),
    Gone(AgentId),
    Machine(MachineKey),
    Schedule,
    Quota(Role),
    Weight(Role),
    Partition(String),
    Incident(u64),
    FailureHistory(AgentId),
}

impl Key {
    fn text(&self) -> String {
        match self {
            Key::Format => "format".to_owned(),
            Key::Master => "master".to_owned(),
            Key::Agent(id) => format!("agents/{id}"),
            Key::Unreachable(id) => format!("unreachable/{id}"),
            Key::Gone(id) => format!("gone/{id}"),
            Key::Machine(MachineKey { hostname, ip }) => format!("machines/{hostname}/{ip}"),
            Key::Schedule => "schedule".to_owned(),
            Key::Quota(role) => format!("quota/{role}"),
            Key::Weight(role) => format!("weights/{role}"),
            Key::Partition(id) => format!("partitions/{id}"),
            Key::Incident(number) => format!("incidents/{number}"),
            Key::FailureHistory(id) => format!("failure_histories/{id}"),
        }
    }
}

impl RegistryState {
    /// Applies the operations in order and returns the writes for all of them.
    pub fn commit<'a>(&mut self, operations: impl IntoIterator<Item = &'a RegistryOperation>) -> Vec<RecordWrite> {
        let mut touched = BTreeSet::new();
        for operation in operations {
            self.touched_by(operation, &mut touched);
            self.apply(operation);
            // A new schedule has machines that the old one did not have.
            self.touched_by(operation, &mut touched);
        }
        touched.iter().map(|key| RecordWrite { key: key.text(), value: self.value(key) }).collect()
    }

    /// Returns the state that these records, in any order, describe.
    ///
    /// # Errors
    ///
    /// Returns an error if a record is damaged, or belongs to a version that this one cannot read.
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Result<Self, CorruptRegistry> {
        let mut state = RegistryState::default();
        let mut format = None;
        let mut is_empty = true;
        for (key, value) in entries {
            is_empty = false;
            state.read(key, &value, &mut format)?;
        }
        match format {
            Some(required) if required > FORMAT => Err(CorruptRegistry::TooNew { required }),
            None if !is_empty => Err(CorruptRegistry::NoFormat),
            Some(_) | None => Ok(state),
        }
    }

    /// Returns every record, for a store that is filled anew.
    pub fn entries(&self) -> Vec<Entry> {
        let agents = self.agents.keys().cloned().map(Key::Agent);
        let unreachable = self.unreachable.keys().cloned().map(Key::Unreachable);
        let gone = self.gone.keys().cloned().map(Key::Gone);
        let machines = self.machines.keys().cloned().map(Key::Machine);
        let quotas = self.quotas.keys().cloned().map(Key::Quota);
        let weights = self.weights.keys().cloned().map(Key::Weight);
        let partitions = self.partitions.keys().cloned().map(Key::Partition);
        let incidents = self.incidents.keys().copied().map(Key::Incident);
        let failure_histories = self.failure_histories.keys().cloned().map(Key::FailureHistory);
        let single = [Key::Format, Key::Master, Key::Schedule].into_iter();
        let keys = single
            .chain(agents)
            .chain(unreachable)
            .chain(gone)
            .chain(machines)
            .chain(quotas)
            .chain(weights)
            .chain(partitions)
            .chain(incidents)
            .chain(failure_histories);
        keys.filter_map(|key| Some((key.text(), self.value(&key)?))).collect()
    }

    fn touched_by(&self, operation: &RegistryOperation, keys: &mut BTreeSet<Key>) {
        use RegistryOperation as Op;
        match operation {
            Op::Recover(_) => keys.extend([Key::Format, Key::Master]),
            Op::UpdateAgent(info, _) => keys.extend(agent_id(info).map(Key::Agent)),
            Op::AdmitAgent(info, _) => {
                let id = agent_id(info);
                let unreachable = id.clone().filter(|id| self.unreachable.contains_key(id));
                keys.extend(unreachable.map(Key::Unreachable));
                keys.extend(id.map(Key::Agent));
            }
            Op::MarkReachable(info, _) => {
                keys.extend(agent_id(info).into_iter().flat_map(|id| [Key::Unreachable(id.clone()), Key::Agent(id)]));
            }
            Op::MarkUnreachable { agent, .. } => {
                keys.extend([Key::Agent(agent.clone()), Key::Unreachable(agent.clone())]);
            }
            Op::RemoveAgent(agent) => keys.extend([Key::Agent(agent.clone())]),
            Op::MarkGone { agent, .. } => {
                keys.extend([Key::Agent(agent.clone()), Key::Unreachable(agent.clone()), Key::Gone(agent.clone())]);
            }
            Op::DrainAgent { agent, .. }
            | Op::MarkDrained(agent)
            | Op::DeactivateAgent(agent)
            | Op::ReactivateAgent(agent) => {
                let unreachable = self.unreachable.contains_key(agent);
                keys.insert(if unreachable { Key::Unreachable(agent.clone()) } else { Key::Agent(agent.clone()) });
            }
            Op::UpdateSchedule(_) => {
                keys.insert(Key::Schedule);
                keys.extend(self.machines.keys().cloned().map(Key::Machine));
            }
            Op::StartMaintenance(ids) => keys.extend(ids.iter().map(|id| Key::Machine(MachineKey::from(id)))),
            Op::StopMaintenance(ids) => {
                keys.insert(Key::Schedule);
                keys.extend(ids.iter().map(|id| Key::Machine(MachineKey::from(id))));
            }
            Op::UpdateQuota(configs) => keys.extend(configs.iter().map(|config| Key::Quota(Role::new(&config.role)))),
            Op::UpdateWeights(infos) => keys.extend(infos.iter().map(|info| Key::Weight(Role::new(info.role())))),
            Op::UpdatePartition(partition) => keys.extend([Key::Partition(partition.id.clone())]),
            Op::RemovePartition(id) => keys.extend([Key::Partition(id.clone())]),
            Op::PersistFailures(changes) => {
                // An incident that opened and was dropped between two writes was never written.
                let known = |number: &u64| self.incidents.contains_key(number);
                let incidents = changes.incidents.iter().filter(|(number, now)| now.is_some() || known(number));
                keys.extend(incidents.map(|(number, _)| Key::Incident(*number)));
                let known = |agent: &AgentId| self.failure_histories.contains_key(agent);
                let failure_histories =
                    changes.failure_histories.iter().filter(|(agent, now)| now.is_some() || known(agent));
                keys.extend(failure_histories.map(|(agent, _)| Key::FailureHistory(agent.clone())));
            }
            Op::Prune { unreachable, gone } => {
                keys.extend(unreachable.iter().cloned().map(Key::Unreachable));
                keys.extend(gone.iter().cloned().map(Key::Gone));
            }
        }
    }

    fn value(&self, key: &Key) -> Option<Vec<u8>> {
        Some(match key {
            Key::Format => encode(&Format { required: FORMAT, written: Some(FORMAT) }),
            Key::Master => encode(&proto::Master { info: self.master.clone()? }),
            Key::Agent(id) => {
                let AgentRecord { info, pid, drain, deactivated } = self.agents.get(id)?;
                encode(&Agent {
                    info: (**info).clone(),
                    drain_info: drain.map(Box::new),
                    deactivated: deactivated.then_some(true),
                    pid: pid.as_ref().map(ToString::to_string),
                })
            }
            Key::Unreachable(id) => {
                let UnreachableRecord { since, drain, deactivated } = self.unreachable.get(id)?;
                encode(&proto::UnreachableSlave {
                    id: id.to_proto(),
                    timestamp: *since,
                    drain_info: drain.map(Box::new),
                    deactivated: deactivated.then_some(true),
                })
            }
            Key::Gone(id) => encode(&proto::GoneSlave { id: id.to_proto(), timestamp: *self.gone.get(id)? }),
            Key::Machine(key) => encode(&proto::Machine { info: self.machines.get(key)?.clone() }),
            Key::Schedule => (!self.schedule.windows.is_empty()).then(|| encode(&self.schedule))?,
            Key::Quota(role) => encode(self.quotas.get(role)?),
            Key::Weight(role) => {
                let weight = *self.weights.get(role)?;
                encode(&v1::WeightInfo { weight, role: Some(role.as_str().to_owned()) })
            }
            Key::Partition(id) => encode(self.partitions.get(id)?),
            Key::Incident(number) => encode(&incident_record(self.incidents.get(number)?)),
            Key::FailureHistory(id) => encode(&history_record(id, self.failure_histories.get(id)?)),
        })
    }

    fn read(&mut self, key: String, value: &[u8], format: &mut Option<u32>) -> Result<(), CorruptRegistry> {
        let kind = key.split_once('/').map_or(key.as_str(), |(kind, _)| kind);
        let described = match kind {
            "format" => {
                *format = Some(record::<Format>(&key, value)?.required);
                Key::Format
            }
            "master" => {
                self.master = Some(record::<proto::Master>(&key, value)?.info);
                Key::Master
            }
            "agents" => self.read_agent(record(&key, value)?),
            "unreachable" => self.read_unreachable(record(&key, value)?),
            "gone" => {
                let gone: proto::GoneSlave = record(&key, value)?;
                let id = AgentId::from(&gone.id);
                self.gone.insert(id.clone(), gone.timestamp);
                Key::Gone(id)
            }
            "machines" => {
                let info = record::<proto::Machine>(&key, value)?.info;
                let id = MachineKey::from(&info.id);
                self.machines.insert(id.clone(), info);
                Key::Machine(id)
            }
            "schedule" => {
                self.schedule = record::<Schedule>(&key, value)?;
                Key::Schedule
            }
            "quota" => {
                let config: QuotaConfig = record(&key, value)?;
                let role = Role::new(&config.role);
                self.quotas.insert(role.clone(), config);
                Key::Quota(role)
            }
            "weights" => {
                let info: v1::WeightInfo = record(&key, value)?;
                let role = Role::new(info.role());
                self.weights.insert(role.clone(), info.weight);
                Key::Weight(role)
            }
            "partitions" => {
                let partition: Partition = record(&key, value)?;
                let id = partition.id.clone();
                self.partitions.insert(id.clone(), partition);
                Key::Partition(id)
            }
            "incidents" => {
                let incident = read_incident(record(&key, value)?).map_err(|source| unknown(&key, source))?;
                let number = incident.number;
                self.incidents.insert(number, Arc::new(incident));
                Key::Incident(number)
            }
            "failure_histories" => {
                let (id, history) = read_history(record(&key, value)?).map_err(|source| unknown(&key, source))?;
                self.failure_histories.insert(id.clone(), history);
                Key::FailureHistory(id)
            }
            _ => return Err(CorruptRegistry::Unknown { key }),
        };
        if described.text() == key { Ok(()) } else { Err(CorruptRegistry::Misplaced { key }) }
    }

    fn read_agent(&mut self, agent: Agent) -> Key {
        let id = AgentId::new(agent.info.id.as_ref().map_or("", |id| id.value.as_str()));
        let record = AgentRecord {
            pid: agent.pid.as_deref().and_then(|pid| pid.parse().ok()),
            deactivated: agent.deactivated(),
            drain: agent.drain_info.map(|info| *info),
            info: Arc::new(agent.info),
        };
        self.agents.insert(id.clone(), record);
        Key::Agent(id)
    }

    fn read_unreachable(&mut self, slave: proto::UnreachableSlave) -> Key {
        let id = AgentId::from(&slave.id);
        let deactivated = slave.deactivated();
        let record =
            UnreachableRecord { since: slave.timestamp, drain: slave.drain_info.map(|info| *info), deactivated };
        self.unreachable.insert(id.clone(), record);
        Key::Unreachable(id)
    }
}

fn agent_id(info: &v1::AgentInfo) -> Option<AgentId> {
    info.id.as_ref().map(AgentId::from)
}

fn unknown(key: &str, source: model::incident::UnknownName) -> CorruptRegistry {
    CorruptRegistry::Meaning { key: key.to_owned(), source }
}

fn record<T: HasDescriptor>(key: &str, value: &[u8]) -> Result<T, CorruptRegistry> {
    decode(value, &Limits::OWN_BYTES).map_err(|source| CorruptRegistry::Record { key: key.to_owned(), source })
}
