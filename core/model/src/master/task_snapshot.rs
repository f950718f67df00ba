//! A task as a master and its readers know it.

use std::fmt;

use ids::{AgentId, FrameworkId, TaskId};
use messages::v1;
use messages::v1::TaskState;
use resources::Resources;
use wire::{EncodedField, Limits, MessageParts, encoded_fields, split_fields};

/// The numbers of fields in `Task` and `TaskStatus` of `mesos.v1.proto`, which a test compares with the descriptors.
mod field {
    pub const EXECUTOR_ID: u32 = 4;
    pub const STATE: u32 = 6;
    pub const RESOURCES: u32 = 7;
    pub const STATUSES: u32 = 8;
    pub const STATUS_UPDATE_STATE: u32 = 9;
    pub const STATUS_UPDATE_UUID: u32 = 10;
    pub const LABELS: u32 = 11;

    pub const OF_STATUS_STATE: u32 = 2;
    pub const OF_STATUS_TIMESTAMP: u32 = 6;
}

/// The most statuses that are kept: more states than a task can go through. An executor that alternates between two for
/// ever does not fill the master's memory.
const MAX_STATUSES: usize = 64;

/// A task. Its message is kept encoded, which takes a fourth of the memory of the decoded message; beside it are the
/// fields that decisions and readers use for every task. Ids and equal resources share their memory with those of
/// other tasks.
#[derive(Clone, PartialEq)]
pub struct TaskSnapshot {
    id: TaskId,
    framework: FrameworkId,
    agent: AgentId,
    resources: Resources,
    state: TaskState,
    status_update_state: Option<TaskState>,
    first_status: Option<f64>,
    /// The `v1::Task`, with its fields in the order of their numbers.
    message: Box<[u8]>,
}

impl TaskSnapshot {
    /// Creates the snapshot of a task of this framework on this agent. `resources` are those of the message.
    pub fn new(task: &v1::Task, framework: FrameworkId, agent: AgentId, resources: Resources) -> Self {
        let message = wire::encode(task).into_boxed_slice();
        TaskSnapshot {
            id: TaskId::from(&task.task_id),
            framework,
            agent,
            resources,
            state: TaskState::try_from(task.state).unwrap_or(TaskState::TaskUnknown),
            status_update_state: task.status_update_state.and_then(|state| TaskState::try_from(state).ok()),
            first_status: first_status(&message),
            message,
        }
    }

    /// Returns the id of the task.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Returns the framework that the task belongs to.
    pub fn framework(&self) -> &FrameworkId {
        &self.framework
    }

    /// Returns the agent that the task was launched on.
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Returns the resources of the task, allocated to its role.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Returns the task with equal resources of another task, so that both share their memory.
    #[must_use]
    pub fn with_shared_resources(self, equal: &Resources) -> Self {
        TaskSnapshot { resources: equal.clone(), ..self }
    }

    /// Returns the latest state of the task.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// Returns the state that was last forwarded to the framework, which may be behind the latest one while updates
    /// wait for acknowledgement.
    pub fn forwarded_state(&self) -> TaskState {
        self.status_update_state.unwrap_or(self.state)
    }

    /// Returns the uuid of the update that was last forwarded to the framework; `None` before the first.
    pub fn status_update_uuid(&self) -> Option<&[u8]> {
        self.field(field::STATUS_UPDATE_UUID)?.bytes()
    }

    /// Returns the id of the task's executor; `None` for a command task of which it is not known.
    pub fn executor_id(&self) -> Option<v1::ExecutorId> {
        decode(self.field(field::EXECUTOR_ID)?)
    }

    /// Returns the time of the first status in seconds since the Unix epoch; `None` without a status.
    pub fn first_status(&self) -> Option<f64> {
        self.first_status
    }

    /// Returns the last status; `None` without a status.
    pub fn last_status(&self) -> Option<v1::TaskStatus> {
        decode(self.statuses().last()?)
    }

    /// Returns the state in the last status, as a number of `TaskState`; `None` without a status.
    pub fn last_status_state(&self) -> Option<i32> {
        self.statuses().last().and_then(|status| state_of(&status))
    }

    /// Returns the encoded message.
    pub fn encoded(&self) -> &[u8] {
        &self.message
    }

    /// Returns the message. Decoding succeeds, since the bytes were encoded here from a complete message.
    pub fn message(&self) -> v1::Task {
        wire::decode(&self.message, &Limits::OWN_BYTES).unwrap_or_default()
    }

    /// Returns the task in `state` with a status added to its history. A repeated state replaces the last status, and
    /// `data` is left out (it can be large, and only the framework uses it). A status with a uuid is the last update of
    /// the task; `is_forwarded` says whether its framework is sent it.
    #[must_use]
    pub fn with_status(&self, state: TaskState, status: &v1::TaskStatus, is_forwarded: bool) -> Self {
        let (identity, rest) = split_fields(&self.message, field::STATE);
        let (_, rest) = split_fields(rest, field::RESOURCES);
        let (resources, rest) = split_fields(rest, field::STATUSES);
        let (statuses, rest) = split_fields(rest, field::STATUS_UPDATE_STATE);
        let (_, description) = split_fields(rest, field::LABELS);
        let mut statuses: Vec<EncodedField<'_>> = encoded_fields(statuses).collect();
        if statuses.last().and_then(state_of) == Some(status.state) {
            statuses.pop();
        }
        let dropped = (statuses.len() + 1).saturating_sub(MAX_STATUSES);

        let mut status_update_state = self.status_update_state;
        let mut status_update_uuid = self.status_update_uuid();
        if let Some(uuid) = &status.uuid {
            status_update_state = TaskState::try_from(status.state).ok();
            status_update_uuid = if is_forwarded { Some(uuid) } else { status_update_uuid };
        }
        let mut message = MessageParts::new();
        message.fields(identity);
        message.varint(field::STATE, state as u64);
        message.fields(resources);
        statuses.iter().skip(dropped).for_each(|known| message.fields(known.encoded()));
        message.bytes(
            field::STATUSES,
            match status.data {
                None => wire::encode(status),
                Some(_) => wire::encode(&v1::TaskStatus { data: None, ..status.clone() }),
            },
        );
        if let Some(state) = status_update_state {
            message.varint(field::STATUS_UPDATE_STATE, state as u64);
        }
        if let Some(uuid) = status_update_uuid {
            message.bytes(field::STATUS_UPDATE_UUID, uuid);
        }
        message.fields(description);
        let message = message.encode().into_boxed_slice();
        TaskSnapshot {
            id: self.id.clone(),
            framework: self.framework.clone(),
            agent: self.agent.clone(),
            resources: self.resources.clone(),
            state,
            status_update_state,
            first_status: first_status(&message),
            message,
        }
    }

    fn field(&self, number: u32) -> Option<EncodedField<'_>> {
        encoded_fields(&self.message).find(|field| field.number() == number)
    }

    fn statuses(&self) -> impl Iterator<Item = EncodedField<'_>> {
        encoded_fields(&self.message).filter(|field| field.number() == field::STATUSES)
    }
}

/// The ids and the resources are those of the message. Resources that do not parse are left out.
impl From<&v1::Task> for TaskSnapshot {
    fn from(task: &v1::Task) -> Self {
        let resources = Resources::from_proto(&task.resources).unwrap_or_default();
        TaskSnapshot::new(task, FrameworkId::from(&task.framework_id), AgentId::from(&task.agent_id), resources)
    }
}

impl fmt::Debug for TaskSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

fn decode<T: messages::schema::HasDescriptor>(field: EncodedField<'_>) -> Option<T> {
    wire::decode(field.bytes()?, &Limits::OWN_BYTES).ok()
}

fn state_of(status: &EncodedField<'_>) -> Option<i32> {
    let state = encoded_fields(status.bytes()?).find(|field| field.number() == field::OF_STATUS_STATE)?;
    // Enums travel as sign-extended 32-bit integers.
    Some(state.varint()? as i32)
}

fn first_status(task: &[u8]) -> Option<f64> {
    let status = encoded_fields(task).find(|field| field.number() == field::STATUSES)?.bytes()?;
    let timestamp = encoded_fields(status).find(|field| field.number() == field::OF_STATUS_TIMESTAMP);
    Some(timestamp.and_then(|timestamp| timestamp.double()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use messages::schema::{HasDescriptor, MessageDescriptor};
    use proptest::prelude::*;

    use super::*;

    fn task() -> v1::Task {
        v1::Task {
            name: "\u{1}".to_owned(),
            task_id: v1::TaskId { value: "t".to_owned() },
            framework_id: v1::FrameworkId { value: "f".to_owned() },
            executor_id: Some(v1::ExecutorId { value: "e".to_owned() }),
            agent_id: v1::AgentId { value: "a".to_owned() },
            state: TaskState::TaskStaging as i32,
            resources: Resources::parse("cpus:0.1;ports:[1-2]", "*")
                .unwrap()
                .allocated(&crate::Role::new("r"))
                .to_proto(),
            labels: Some(Box::default()),
            user: Some("u".to_owned()),
            limits: [("mem".to_owned(), v1::value::Scalar { value: 0.0 })].into(),
            ..v1::Task::default()
        }
    }

    #[test]
    fn field_numbers_are_those_of_the_descriptors() {
        let number =
            |desc: &MessageDescriptor, name| desc.fields.iter().find(|field| field.name == name).unwrap().number;
        let of_task = |name| number(v1::Task::desc(), name);
        let of_status = |name| number(v1::TaskStatus::desc(), name);
        assert_eq!(
            ["executor_id", "state", "resources", "statuses", "status_update_state"].map(of_task),
            [field::EXECUTOR_ID, field::STATE, field::RESOURCES, field::STATUSES, field::STATUS_UPDATE_STATE]
        );
        assert_eq!(["status_update_uuid", "labels"].map(of_task), [field::STATUS_UPDATE_UUID, field::LABELS]);
        assert_eq!(["state", "timestamp"].map(of_status), [field::OF_STATUS_STATE, field::OF_STATUS_TIMESTAMP]);
    }

    #[test]
    fn a_snapshot_is_its_message() {
        let message = task();
        let snapshot = TaskSnapshot::from(&message);
        assert_eq!((snapshot.message(), snapshot.encoded()), (message.clone(), wire::encode(&message).as_slice()));
        assert_eq!((snapshot.id().as_str(), snapshot.framework().as_str(), snapshot.agent().as_str()), ("t", "f", "a"));
        assert_eq!((snapshot.executor_id(), snapshot.resources().to_proto()), (message.executor_id, message.resources));
        assert_eq!(
            (snapshot.last_status(), snapshot.first_status(), snapshot.status_update_uuid()),
            (None, None, None)
        );
    }

    /// Applies a status to the decoded message as `with_status` is documented.
    fn record(task: &mut v1::Task, state: TaskState, status: &v1::TaskStatus, is_forwarded: bool) {
        task.state = state as i32;
        if task.statuses.last().is_some_and(|last| last.state == status.state) {
            task.statuses.pop();
        }
        task.statuses.push(v1::TaskStatus { data: None, ..status.clone() });
        if task.statuses.len() > MAX_STATUSES {
            task.statuses.remove(0);
        }
        if status.uuid.is_some() {
            task.status_update_state = Some(status.state);
            if is_forwarded {
                task.status_update_uuid.clone_from(&status.uuid);
            }
        }
    }

    prop_compose! {
        fn status()(
            state in 0..4i32,
            timestamp in prop::option::of(0.0..1e10f64),
            uuid in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
            data in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
            message in prop::option::of(".*"),
            healthy: Option<bool>,
        ) -> v1::TaskStatus {
            let task_id = v1::TaskId { value: "t".to_owned() };
            v1::TaskStatus { task_id, state, timestamp, uuid, data, message, healthy, ..v1::TaskStatus::default() }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The encoded history is that of the decoded message, to the byte.
        #[test]
        fn statuses_are_recorded_as_in_the_decoded_message(
            steps in prop::collection::vec((status(), 0..4i32, any::<bool>()), 0..100),
        ) {
            let mut message = task();
            let mut snapshot = TaskSnapshot::from(&message);
            for (status, state, is_forwarded) in steps {
                let state = TaskState::try_from(state).unwrap();
                record(&mut message, state, &status, is_forwarded);
                snapshot = snapshot.with_status(state, &status, is_forwarded);
                prop_assert_eq!(snapshot.encoded(), wire::encode(&message));
                let first = message.statuses.first().map(|status| status.timestamp.unwrap_or_default());
                prop_assert_eq!((snapshot.state(), snapshot.first_status()), (state, first));
                prop_assert_eq!(snapshot.status_update_uuid(), message.status_update_uuid.as_deref());
                let forwarded = message.status_update_state.map_or(state, |state| TaskState::try_from(state).unwrap());
                prop_assert_eq!(snapshot.forwarded_state(), forwarded);
                prop_assert_eq!(snapshot.last_status_state(), message.statuses.last().map(|status| status.state));
                prop_assert_eq!(snapshot.last_status(), message.statuses.last().cloned());
            }
            prop_assert_eq!(snapshot.message(), message);
        }
    }
}
