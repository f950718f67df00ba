//! Thousands of simulated agents as one state machine, with libprocess messages as input and output.
//!
//! Each agent is a libprocess process of its own (`slave(17)@ip:port`) behind one port. It behaves like an agent of
//! Mesos whose tasks do nothing: TASK_RUNNING at once, TASK_FINISHED as soon as that is acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddrV4;
use std::time::Instant;

use messages::schema::HasDescriptor;
use messages::v1::agent_info::Capability;
use messages::v1::{
    AgentId, AgentInfo, FrameworkId, FrameworkInfo, Task, TaskId, TaskInfo, TaskState, TaskStatus, task_status,
};
use messages::{Message, internal};
use model::Upid;
use wire::Limits;
use wire::libprocess::{Received, encode_message};

use crate::resources::{ports, scalar};

/// The capabilities of an agent of Mesos 1.11: MULTI_ROLE to TASK_RESOURCE_LIMITS.
const CAPABILITIES: std::ops::RangeInclusive<i32> = 1..=8;

/// The progress of the fleet as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub registered: usize,
    /// The number of agents that are registered with the current master, after the first one was replaced.
    pub reregistered: usize,
    pub pings: usize,
    /// Tasks whose TASK_RUNNING was acknowledged and that will not end.
    pub tasks_running: usize,
    /// Tasks whose TASK_FINISHED was acknowledged.
    pub tasks_done: usize,
    /// Messages that a fleet does not expect, e.g. the master's order to shut down.
    pub refused: usize,
}

pub struct Fleet {
    master: Upid,
    address: SocketAddrV4,
    agents: Vec<Agent>,
    progress: Progress,
    uuids: Uuids,
    /// The ids of agents that reported the end of a task, and when.
    freed: Vec<(String, Instant)>,
    /// Whether tasks never end.
    endless: bool,
    /// The frameworks of tasks that never end.
    frameworks: BTreeMap<String, FrameworkInfo>,
}

#[derive(Default)]
struct Agent {
    id: Option<AgentId>,
    /// Whether the agent is registered with the current master.
    is_back: bool,
    /// The status update of each task that waits for its acknowledgement.
    tasks: HashMap<(String, String), Update>,
    /// The tasks that the agent reports to the next master.
    endless: Vec<Task>,
}

struct Update {
    uuid: Vec<u8>,
    state: TaskState,
}

impl Fleet {
    /// Creates a fleet whose agents listen on `address`.
    pub fn new(master: Upid, address: SocketAddrV4) -> Self {
        Fleet {
            master,
            address,
            agents: Vec::new(),
            progress: Progress::default(),
            uuids: Uuids::default(),
            freed: Vec::new(),
            endless: false,
            frameworks: BTreeMap::new(),
        }
    }

    /// Makes all tasks that are launched from now on run without end.
    pub fn set_tasks_endless(&mut self) {
        self.endless = true;
    }

    /// Returns the ids of the agents that freed resources since the last call, and when.
    pub fn take_freed(&mut self) -> Vec<(String, Instant)> {
        std::mem::take(&mut self.freed)
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Adds agents and appends the messages that register them to `out`.
    pub fn add(&mut self, count: usize, out: &mut Vec<u8>) {
        for _ in 0..count {
            let index = self.agents.len();
            self.agents.push(Agent::default());
            let register = internal::RegisterSlaveMessage {
                slave: self.info(index),
                version: Some("1.11.0".to_owned()),
                checkpointed_resources: Vec::new(),
                agent_capabilities: capabilities(),
                resource_version_uuid: Some(messages::v1::Uuid { value: self.uuids.next() }),
            };
            self.send(index, &self.master, &register, out);
        }
    }

    /// Records that the master has ended and every agent has to re-register.
    pub fn forget_registrations(&mut self) {
        self.progress.reregistered = 0;
        self.agents.iter_mut().for_each(|agent| agent.is_back = false);
    }

    /// Appends the messages that re-register the agents that are not registered yet, with their tasks.
    pub fn reregister(&mut self, out: &mut Vec<u8>) {
        for (index, agent) in self.agents.iter().enumerate().filter(|(_, agent)| !agent.is_back) {
            let mut frameworks: Vec<&str> = agent.endless.iter().map(|task| task.framework_id.value.as_str()).collect();
            frameworks.dedup();
            let reregister = internal::ReregisterSlaveMessage {
                slave: AgentInfo { id: agent.id.clone(), ..self.info(index) },
                tasks: agent.endless.clone(),
                frameworks: frameworks.iter().filter_map(|id| self.frameworks.get(*id).cloned()).collect(),
                version: Some("1.11.0".to_owned()),
                agent_capabilities: capabilities(),
                resource_version_uuid: Some(messages::v1::Uuid { value: self.uuids.next() }),
                ..internal::ReregisterSlaveMessage::default()
            };
            self.send(index, &self.master, &reregister, out);
        }
    }

    /// Appends the messages that unregister all agents.
    pub fn leave(&mut self, out: &mut Vec<u8>) {
        for (index, agent) in self.agents.iter().enumerate() {
            if let Some(id) = &agent.id {
                self.send(index, &self.master, &internal::UnregisterSlaveMessage { slave_id: id.clone() }, out);
            }
        }
    }

    /// Handles one message to one of the agents and appends its answers to `out`.
    pub fn receive(&mut self, received: &Received, out: &mut Vec<u8>) {
        let Some(index) = index_of(&received.to).filter(|index| *index < self.agents.len()) else {
            self.progress.refused += 1;
            return;
        };
        match wire::decode_message(&received.name, &received.body, &Limits::default()) {
            Ok(Message::SlaveRegistered(registered)) => self.registered(index, registered.slave_id, out),
            Ok(Message::SlaveReregistered(_)) => {
                let is_news = !std::mem::replace(&mut self.agents[index].is_back, true);
                self.progress.reregistered += usize::from(is_news);
            }
            Ok(Message::PingSlave(_)) => {
                self.progress.pings += 1;
                self.send(index, &received.from, &internal::PongSlaveMessage {}, out);
            }
            Ok(Message::RunTask(run)) => self.run(index, *run, out),
            Ok(Message::StatusUpdateAcknowledgement(ack)) => self.acknowledged(index, &ack, out),
            Ok(Message::ShutdownFramework(shutdown)) => {
                self.agents[index].tasks.retain(|(framework, _), _| *framework != shutdown.framework_id.value);
            }
            Ok(Message::UpdateFramework(_) | Message::CheckpointResources(_)) => {}
            Ok(_) | Err(_) => self.progress.refused += 1,
        }
    }

    fn registered(&mut self, index: usize, id: AgentId, out: &mut Vec<u8>) {
        if self.agents[index].id.replace(id.clone()).is_some() {
            return;
        }
        self.progress.registered += 1;
        // An agent of Mesos sends this message, too, even if it has nothing to report.
        let update = internal::UpdateSlaveMessage {
            slave_id: id,
            update_oversubscribed_resources: Some(false),
            resource_version_uuid: Some(messages::v1::Uuid { value: self.uuids.next() }),
            ..internal::UpdateSlaveMessage::default()
        };
        self.send(index, &self.master, &update, out);
    }

    fn run(&mut self, index: usize, run: internal::RunTaskMessage, out: &mut Vec<u8>) {
        let Some(framework_id) = run.framework.id.clone() else { return };
        self.update(index, &framework_id, &run.task.task_id, TaskState::TaskRunning, out);
        if self.endless {
            self.agents[index].endless.push(task_of(&framework_id, run.task));
            self.frameworks.entry(framework_id.value).or_insert(run.framework);
        }
    }

    fn acknowledged(&mut self, index: usize, ack: &internal::StatusUpdateAcknowledgementMessage, out: &mut Vec<u8>) {
        let key = (ack.framework_id.value.clone(), ack.task_id.value.clone());
        let tasks = &mut self.agents[index].tasks;
        match tasks.get(&key) {
            Some(update) if update.uuid != ack.uuid => {}
            Some(Update { state: TaskState::TaskRunning, .. }) if self.endless => {
                tasks.remove(&key);
                self.progress.tasks_running += 1;
            }
            Some(Update { state: TaskState::TaskRunning, .. }) => {
                self.update(index, &ack.framework_id, &ack.task_id, TaskState::TaskFinished, out);
            }
            Some(_) => {
                tasks.remove(&key);
                self.progress.tasks_done += 1;
            }
            None => {}
        }
    }

    fn update(&mut self, index: usize, framework: &FrameworkId, task: &TaskId, state: TaskState, out: &mut Vec<u8>) {
        let uuid = self.uuids.next();
        let agent = &mut self.agents[index];
        if state == TaskState::TaskFinished
            && let Some(id) = &agent.id
        {
            self.freed.push((id.value.clone(), Instant::now()));
        }
        agent.tasks.insert((framework.value.clone(), task.value.clone()), Update { uuid: uuid.clone(), state });
        let executor_id = Some(messages::v1::ExecutorId { value: task.value.clone() });
        let timestamp = unix_time();
        let update = internal::StatusUpdate {
            framework_id: framework.clone(),
            executor_id: executor_id.clone(),
            slave_id: agent.id.clone(),
            status: TaskStatus {
                task_id: task.clone(),
                state: state.into(),
                agent_id: agent.id.clone(),
                executor_id,
                timestamp: Some(timestamp),
                source: Some(task_status::Source::Executor.into()),
                uuid: Some(uuid.clone()),
                ..TaskStatus::default()
            },
            timestamp,
            uuid: Some(uuid),
            latest_state: Some(state.into()),
        };
        let pid = Some(self.upid(index).to_string());
        self.send(index, &self.master, &internal::StatusUpdateMessage { update, pid }, out);
    }

    fn info(&self, index: usize) -> AgentInfo {
        AgentInfo {
            hostname: format!("agent-{}.load", index + 1),
            resources: vec![
                scalar("cpus", 8.0),
                scalar("mem", 16384.0),
                scalar("disk", 102_400.0),
                ports(31_000, 32_000),
            ],
            port: Some(self.address.port().into()),
            ..AgentInfo::default()
        }
    }

    fn upid(&self, index: usize) -> Upid {
        Upid::new(format!("slave({})", index + 1), self.address)
    }

    fn send<T: HasDescriptor>(&self, index: usize, to: &Upid, message: &T, out: &mut Vec<u8>) {
        encode_message(&self.upid(index), to, T::desc().name, &wire::encode(message), out);
    }
}

fn capabilities() -> Vec<Capability> {
    CAPABILITIES.map(|kind| Capability { r#type: Some(kind) }).collect()
}

/// Returns a task as an agent reports it when it re-registers.
fn task_of(framework: &FrameworkId, info: TaskInfo) -> Task {
    Task {
        name: info.name,
        task_id: info.task_id,
        framework_id: framework.clone(),
        agent_id: info.agent_id,
        state: TaskState::TaskRunning.into(),
        resources: info.resources,
        status_update_state: Some(TaskState::TaskRunning.into()),
        ..Task::default()
    }
}

/// Returns the index of the agent `slave(17)`.
fn index_of(process: &str) -> Option<usize> {
    process.strip_prefix("slave(")?.strip_suffix(')')?.parse::<usize>().ok()?.checked_sub(1)
}

fn unix_time() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Uuids that are only unique, and cheap to make.
#[derive(Default)]
struct Uuids(u64);

impl Uuids {
    fn next(&mut self) -> Vec<u8> {
        self.0 += 1;
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.0.to_be_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid().as_bytes().to_vec()
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
