//! The calls of an executor to its agent, and the updates that the agent has not acknowledged. The code is pure, and both
//! executors use it.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::TaskState;
use messages::v1::executor::{Call, call};
use messages::v1::task_status::Source;

use crate::checks;
use crate::core::Clock;

/// Makes the calls of one executor.
#[derive(Debug)]
pub struct Calls {
    framework: v1::FrameworkId,
    executor: v1::ExecutorId,
    /// The unacknowledged updates in the order in which they were made, by a sequence number, because uuids are random.
    pub(crate) unacknowledged: BTreeMap<u64, call::Update>,
    sequence: u64,
}

impl Calls {
    /// Makes the calls of the executor with these ids.
    pub fn new(framework: &str, executor: &str) -> Self {
        Calls {
            framework: v1::FrameworkId { value: framework.to_owned() },
            executor: v1::ExecutorId { value: executor.to_owned() },
            unacknowledged: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Returns the SUBSCRIBE call with the updates and these tasks, which the agent may not know after its restart.
    pub fn subscribe(&self, unacknowledged_tasks: Vec<v1::TaskInfo>) -> Call {
        let unacknowledged_updates = self.unacknowledged.values().cloned().collect();
        let subscribe = call::Subscribe { unacknowledged_tasks, unacknowledged_updates };
        Call { subscribe: Some(Box::new(subscribe)), ..self.call(call::Type::Subscribe) }
    }

    /// Returns the HEARTBEAT call.
    pub fn heartbeat(&self) -> Call {
        self.call(call::Type::Heartbeat)
    }

    /// Returns a new status of a task.
    pub fn status(&self, task: &v1::TaskInfo, state: TaskState, clock: &mut dyn Clock) -> v1::TaskStatus {
        v1::TaskStatus {
            task_id: task.task_id.clone(),
            agent_id: Some(task.agent_id.clone()),
            executor_id: Some(self.executor.clone()),
            state: state.into(),
            source: Some(Source::Executor.into()),
            timestamp: Some(clock.now()),
            uuid: Some(clock.uuid().to_vec()),
            check_status: task.check.as_deref().and_then(checks::empty_status).map(Box::new),
            ..Default::default()
        }
    }

    /// Returns the UPDATE call with a status, which is kept until it is acknowledged.
    pub fn update(&mut self, status: v1::TaskStatus) -> Call {
        let update = call::Update { status };
        self.sequence += 1;
        self.unacknowledged.insert(self.sequence, update.clone());
        Call { update: Some(Box::new(update)), ..self.call(call::Type::Update) }
    }

    /// Forgets the update with this uuid.
    pub fn acknowledged(&mut self, uuid: &[u8]) {
        self.unacknowledged.retain(|_, update| update.status.uuid.as_deref() != Some(uuid));
    }

    /// Returns whether the agent has not acknowledged some updates.
    pub fn has_unacknowledged(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    fn call(&self, kind: call::Type) -> Call {
        Call {
            framework_id: self.framework.clone(),
            executor_id: self.executor.clone(),
            r#type: Some(kind.into()),
            ..Default::default()
        }
    }
}
