//! A task as the master knows it, from launch until its terminal update is acknowledged.

use std::sync::Arc;

use messages::v1;
use model::{AgentId, FrameworkId};
use resources::Resources;

/// More states than a task can pass through; an executor that alternates between two
/// for ever does not fill the master's memory.
const MAX_STATUSES: usize = 64;

#[derive(Debug)]
pub(crate) struct Task {
    pub proto: Arc<v1::Task>,
    pub agent: AgentId,
    /// Allocated to its role; zero has been recovered once the task is terminal.
    pub resources: Resources,
    /// Its framework asked for its end; repeated to an agent that returns.
    pub kill_requested: bool,
    /// It is being killed for a partition: the message of the update that its framework will be sent.
    pub preempted: Option<String>,
}

impl Task {
    pub fn state(&self) -> v1::TaskState {
        state_of(&self.proto)
    }

    /// The state that was last forwarded to its framework, which may be behind the real one while
    /// updates wait for acknowledgement.
    pub fn forwarded_state(&self) -> v1::TaskState {
        forwarded_state_of(&self.proto)
    }
}

/// See [`Task::forwarded_state`].
pub(crate) fn forwarded_state_of(task: &v1::Task) -> v1::TaskState {
    task.status_update_state.and_then(|s| v1::TaskState::try_from(s).ok()).unwrap_or(state_of(task))
}

pub(crate) fn state_of(task: &v1::Task) -> v1::TaskState {
    v1::TaskState::try_from(task.state).unwrap_or(v1::TaskState::TaskUnknown)
}

/// The resources of a task are free from here on.
pub(crate) fn is_terminal_or_unreachable(state: v1::TaskState) -> bool {
    model::is_terminal(state) || state == v1::TaskState::TaskUnreachable
}

pub(crate) fn staging(info: &v1::TaskInfo, framework: &FrameworkId) -> v1::Task {
    let user_of = |command: Option<&v1::CommandInfo>| command.and_then(|c| c.user.clone());
    let executor_command = || info.executor.as_ref().and_then(|e| e.command.as_deref());
    v1::Task {
        name: info.name.clone(),
        task_id: info.task_id.clone(),
        framework_id: framework.to_proto(),
        executor_id: info.executor.as_ref().map(|e| e.executor_id.clone()),
        agent_id: info.agent_id.clone(),
        state: v1::TaskState::TaskStaging as i32,
        resources: info.resources.clone(),
        labels: info.labels.clone(),
        discovery: info.discovery.clone(),
        container: info.container.clone(),
        user: user_of(info.command.as_deref()).or_else(|| user_of(executor_command())),
        health_check: info.health_check.clone(),
        kill_policy: info.kill_policy.clone(),
        limits: info.limits.clone(),
        ..Default::default()
    }
}

/// Adds a status to the task's history: a repeated state replaces the last entry, and
/// `data` stays out (it can be large and is the framework's business).
pub(crate) fn record_status(task: &mut v1::Task, status: &v1::TaskStatus) {
    if task.statuses.last().is_some_and(|last| last.state == status.state) {
        task.statuses.pop();
    }
    if task.statuses.len() >= MAX_STATUSES {
        task.statuses.remove(0);
    }
    // Most tasks have one or two, and there are many tasks: `push` would make room for four.
    task.statuses.reserve_exact(1);
    task.statuses.push(v1::TaskStatus {
        task_id: status.task_id.clone(),
        state: status.state,
        data: None,
        message: status.message.clone(),
        agent_id: status.agent_id.clone(),
        timestamp: status.timestamp,
        executor_id: status.executor_id.clone(),
        healthy: status.healthy,
        source: status.source,
        reason: status.reason,
        uuid: status.uuid.clone(),
        labels: status.labels.clone(),
        container_status: status.container_status.clone(),
        unreachable_time: status.unreachable_time,
        check_status: status.check_status.clone(),
        limitation: status.limitation.clone(),
    });
}
