//! The common parts of entities: they are immutable behind `Arc`s, each with the JSON of its version, which the first
//! reader encodes.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use messages::v1;
use messages::v1::TaskState;
use model::is_terminal;
use resources::Resources;

use crate::{json, v0};

/// JSON that is encoded at most once for a version of an entity; every snapshot with that version shares the result.
#[derive(Debug, Default)]
pub(crate) struct Fragment(OnceLock<Box<[u8]>>);

impl Fragment {
    /// Returns the bytes; the first call encodes them.
    pub fn get(&self, encode: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.0.get_or_init(|| encode().into_boxed_slice())
    }

    /// Appends the bytes. The first call encodes them in place, and keeps a copy of exactly their size.
    pub fn append(&self, out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
        if let Some(encoded) = self.0.get() {
            return out.extend_from_slice(encoded);
        }
        let start = out.len();
        encode(out);
        // Another reader may have been faster, with the same result.
        let _ = self.0.set(Box::from(out.get(start..).unwrap_or_default()));
    }
}

#[derive(Debug)]
pub(crate) struct Task {
    /// The task, as the last change described it.
    pub task: Arc<v1::Task>,
    /// The task's resources.
    pub resources: Resources,
    json: Fragment,
    v1: Fragment,
    protobuf: Fragment,
}

impl Task {
    /// Creates the entity of a task, which shares its resources with another one that has the same.
    pub fn new(task: Arc<v1::Task>, others: &Resources) -> Self {
        let resources = parse(&task.resources);
        Task::with(if resources == *others { others.clone() } else { resources }, task)
    }

    /// Returns the task in its next state.
    pub fn succeeded_by(&self, task: Arc<v1::Task>) -> Self {
        let resources =
            if self.task.resources == task.resources { self.resources.clone() } else { parse(&task.resources) };
        Task::with(resources, task)
    }

    fn with(resources: Resources, task: Arc<v1::Task>) -> Self {
        Task { task, resources, json: Fragment::default(), v1: Fragment::default(), protobuf: Fragment::default() }
    }

    /// Appends the form of `/state`.
    pub fn write_v0(&self, out: &mut Vec<u8>) {
        self.json.append(out, |out| v0::task(out, &self.task, &self.resources));
    }

    /// Appends the form of the v1 API.
    pub fn write_v1(&self, out: &mut Vec<u8>) {
        self.v1.append(out, |out| json::message(out, &*self.task));
    }

    /// Returns the encoded message.
    pub fn protobuf(&self) -> &[u8] {
        self.protobuf.get(|| wire::encode(&*self.task))
    }

    /// Returns the resources that the task uses; `None` if it is terminal.
    pub fn used_resources(&self) -> Option<&Resources> {
        holds_resources(self.task.state()).then_some(&self.resources)
    }

    /// Returns whether the task becomes terminal with its next state.
    pub fn ends_as(&self, next: &v1::Task) -> bool {
        !is_terminal(self.task.state()) && is_terminal(next.state())
    }

    /// Returns whether Mesos announces an update. It announces changes of the state and every result of a check.
    pub fn is_announced(&self, status: &v1::TaskStatus) -> bool {
        use v1::task_status::Reason;
        matches!(status.reason(), Reason::TaskCheckStatusUpdated | Reason::TaskHealthCheckStatusUpdated)
            || self.task.statuses.last().is_none_or(|last| last.state != status.state)
    }
}

/// A completed task, kept as the bytes of its message, which take a quarter of the memory of the message, and a copy of
/// the fields by which readers select tasks.
#[derive(Debug)]
pub(crate) struct CompletedTask {
    id: Box<str>,
    agent: Box<str>,
    state: TaskState,
    first_status: Option<f64>,
    encoded: Box<[u8]>,
    json: Fragment,
    v1: Fragment,
}

impl From<&Task> for CompletedTask {
    fn from(task: &Task) -> Self {
        let task = &task.task;
        CompletedTask {
            id: task.task_id.value.as_str().into(),
            agent: task.agent_id.value.as_str().into(),
            state: task.state(),
            first_status: first_status(task),
            encoded: wire::encode(&**task).into_boxed_slice(),
            json: Fragment::default(),
            v1: Fragment::default(),
        }
    }
}

impl CompletedTask {
    /// Appends the form of `/state`.
    pub fn write_v0(&self, out: &mut Vec<u8>) {
        self.json.append(out, |out| {
            let task = self.decode();
            v0::task(out, &task, &parse(&task.resources));
        });
    }

    /// Appends the form of the v1 API.
    pub fn write_v1(&self, out: &mut Vec<u8>) {
        self.v1.append(out, |out| json::message(out, &self.decode()));
    }

    /// Returns the encoded message.
    pub fn protobuf(&self) -> &[u8] {
        &self.encoded
    }

    /// Returns the message. Decoding succeeds, since the bytes were encoded here from a complete message.
    pub fn decode(&self) -> v1::Task {
        wire::decode(&self.encoded, &wire::Limits::OWN_BYTES).unwrap_or_default()
    }
}

/// A task in one of the forms that a view keeps it in.
pub(crate) trait KeptTask {
    /// Returns the message; a completed task is decoded for it.
    fn message(&self) -> Cow<'_, v1::Task>;
}

impl KeptTask for &Arc<Task> {
    fn message(&self) -> Cow<'_, v1::Task> {
        Cow::Borrowed(&self.task)
    }
}

impl KeptTask for &Arc<CompletedTask> {
    fn message(&self) -> Cow<'_, v1::Task> {
        Cow::Owned(self.decode())
    }
}

impl KeptTask for AnyTask<'_> {
    fn message(&self) -> Cow<'_, v1::Task> {
        match self {
            AnyTask::Current(task) => Cow::Borrowed(&task.task),
            AnyTask::Completed(task) => Cow::Owned(task.decode()),
        }
    }
}

/// A task of a master, completed or not, as readers select it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AnyTask<'a> {
    Current(&'a Task),
    Completed(&'a CompletedTask),
}

impl<'a> AnyTask<'a> {
    pub fn id(self) -> &'a str {
        match self {
            AnyTask::Current(task) => &task.task.task_id.value,
            AnyTask::Completed(task) => &task.id,
        }
    }

    pub fn agent(self) -> &'a str {
        match self {
            AnyTask::Current(task) => &task.task.agent_id.value,
            AnyTask::Completed(task) => &task.agent,
        }
    }

    pub fn state(self) -> TaskState {
        match self {
            AnyTask::Current(task) => task.task.state(),
            AnyTask::Completed(task) => task.state,
        }
    }

    /// Returns the time of the first status; `None` without a status.
    pub fn first_status(self) -> Option<f64> {
        match self {
            AnyTask::Current(task) => first_status(&task.task),
            AnyTask::Completed(task) => task.first_status,
        }
    }

    /// Appends the form of `/state`.
    pub fn write_v0(self, out: &mut Vec<u8>) {
        match self {
            AnyTask::Current(task) => task.write_v0(out),
            AnyTask::Completed(task) => task.write_v0(out),
        }
    }
}

fn first_status(task: &v1::Task) -> Option<f64> {
    task.statuses.first().map(|status| status.timestamp.unwrap_or_default())
}

/// Parses resources. The core has validated them, so a part that does not parse is left out.
pub(crate) fn parse(resources: &[v1::Resource]) -> Resources {
    Resources::from_proto(resources).unwrap_or_default()
}

fn holds_resources(state: TaskState) -> bool {
    !is_terminal(state) && state != TaskState::TaskUnreachable
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_fragment_is_encoded_once() {
        let fragment = Fragment::default();
        let times = Cell::new(0);
        let mut out = b"before ".to_vec();
        for _ in 0..3 {
            fragment.append(&mut out, |out| {
                times.set(times.get() + 1);
                out.extend_from_slice(b"x");
            });
        }
        assert_eq!((out.as_slice(), times.get()), (&b"before xxx"[..], 1));
    }

    /// A completed task is shown as it was before.
    #[test]
    fn a_completed_task_is_its_message() {
        let status = |state: TaskState, timestamp| v1::TaskStatus {
            task_id: v1::TaskId { value: "t".to_owned() },
            state: state as i32,
            timestamp: Some(timestamp),
            uuid: Some(vec![7; 16]),
            ..v1::TaskStatus::default()
        };
        let message = Arc::new(v1::Task {
            name: "\u{1}".to_owned(),
            task_id: v1::TaskId { value: "t".to_owned() },
            framework_id: v1::FrameworkId { value: "f".to_owned() },
            agent_id: v1::AgentId { value: "a".to_owned() },
            state: TaskState::TaskFailed as i32,
            resources: Resources::parse("cpus:0.1;ports:[1-2]", "*")
                .unwrap()
                .allocated(&model::Role::new("r"))
                .to_proto(),
            statuses: vec![status(TaskState::TaskRunning, 1.5), status(TaskState::TaskFailed, 2.5)],
            limits: [("mem".to_owned(), v1::value::Scalar { value: 0.0 })].into(),
            ..v1::Task::default()
        });
        let task = Task::new(Arc::clone(&message), &Resources::new());
        let completed = CompletedTask::from(&task);
        assert_eq!(completed.decode(), *message);
        assert_eq!(completed.protobuf(), task.protobuf());
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(&|out| completed.write_v0(out)), written(&|out| task.write_v0(out)));
        assert_eq!(written(&|out| completed.write_v1(out)), written(&|out| task.write_v1(out)));
        let shown =
            |task: AnyTask<'_>| (task.id().to_owned(), task.agent().to_owned(), task.state(), task.first_status());
        assert_eq!(shown(AnyTask::Completed(&completed)), shown(AnyTask::Current(&task)));
        assert_eq!(shown(AnyTask::Completed(&completed)).3, Some(1.5));
    }

    /// The parts of a status that are written by hand equal the generic mapping.
    #[test]
    fn statuses_follow_the_mapping() {
        let id = |value: &str, parent| v1::ContainerId { value: value.to_owned(), parent };
        let status = v1::ContainerStatus {
            container_id: Some(Box::new(id("child", Some(Box::new(id("parent", None)))))),
            network_infos: vec![v1::NetworkInfo {
                ip_addresses: vec![
                    v1::network_info::IpAddress { protocol: None, ip_address: Some("10.0.0.1".to_owned()) },
                    v1::network_info::IpAddress {
                        protocol: Some(v1::network_info::Protocol::IPv6 as i32),
                        ip_address: None,
                    },
                ],
                ..v1::NetworkInfo::default()
            }],
            ..v1::ContainerStatus::default()
        };
        let generic: serde_json::Value = serde_json::from_slice(&wire::json::encode(&status)).unwrap();
        let task = v1::Task {
            statuses: vec![v1::TaskStatus { container_status: Some(Box::new(status)), ..v1::TaskStatus::default() }],
            ..v1::Task::default()
        };
        let mut out = Vec::new();
        Task::new(Arc::new(task), &Resources::new()).write_v0(&mut out);
        let by_hand: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(by_hand["statuses"][0]["container_status"], generic);
    }
}
