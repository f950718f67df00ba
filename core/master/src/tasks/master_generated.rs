//! Status updates that the master generates itself (source MASTER, without uuid).

use messages::{internal, v1};
use model::master::TaskSnapshot;
use model::{FrameworkId, Timestamp};

/// A status update that the master generates, because no agent will send it. It has no uuid, since nobody waits for its
/// acknowledgement.
#[derive(Debug, Clone)]
pub(crate) struct MasterGenerated {
    pub state: v1::TaskState,
    reason: v1::task_status::Reason,
    message: String,
    unreachable_since: Option<v1::TimeInfo>,
}

impl MasterGenerated {
    pub fn new(state: v1::TaskState, reason: v1::task_status::Reason, message: impl Into<String>) -> Self {
        MasterGenerated { state, reason, message: message.into(), unreachable_since: None }
    }

    pub fn unreachable_since(mut self, since: v1::TimeInfo) -> Self {
        self.unreachable_since = Some(since);
        self
    }

    /// Returns the same update with another state, for a task whose agent is not unreachable.
    pub fn with_state(&self, state: v1::TaskState) -> Self {
        MasterGenerated { state, unreachable_since: None, ..self.clone() }
    }

    /// Returns the status of a known task.
    pub fn status(&self, task: &TaskSnapshot, at: Timestamp) -> v1::TaskStatus {
        let mut status = self.status_of(task.id().to_proto(), Some(task.agent().to_proto()), at);
        status.executor_id = task.executor_id();
        status
    }

    /// Returns the status of a task of which perhaps only the id is known.
    pub fn status_of(&self, task: v1::TaskId, agent: Option<v1::AgentId>, at: Timestamp) -> v1::TaskStatus {
        v1::TaskStatus {
            task_id: task,
            state: self.state as i32,
            message: Some(self.message.clone()),
            agent_id: agent,
            timestamp: Some(at.secs_f64()),
            source: Some(v1::task_status::Source::Master as i32),
            reason: Some(self.reason as i32),
            unreachable_time: self.unreachable_since,
            ..Default::default()
        }
    }
}

/// Returns the update around a status that the master generates.
pub(crate) fn master_generated_update(framework: &FrameworkId, status: &v1::TaskStatus) -> internal::StatusUpdate {
    internal::StatusUpdate {
        framework_id: framework.to_proto(),
        executor_id: status.executor_id.clone(),
        slave_id: status.agent_id.clone(),
        timestamp: status.timestamp.unwrap_or_default(),
        status: status.clone(),
        uuid: None,
        latest_state: None,
    }
}
