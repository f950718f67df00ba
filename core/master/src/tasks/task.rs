//! A task as the master knows it, from launch until its terminal update is acknowledged.

use std::sync::Arc;

use messages::v1;
use model::{AgentId, FrameworkId};
use resources::Resources;

/// The most statuses that are kept: more states than a task can go through. An executor that alternates between two for
/// ever does not fill the master's memory.
const MAX_STATUSES: usize = 64;

/// A task that has not been removed. Its methods keep dependent fields consistent.
#[derive(Debug)]
pub(crate) struct Task {
    /// The task as readers see it; the core keeps no second copy.
    proto: Arc<v1::Task>,
    agent: AgentId,
    /// The task's resources, allocated to its role; they are recovered once the task is terminal.
    resources: Resources,
    kill: KillRequest,
}

/// Whether the end of a task was asked for, which is repeated to an agent that returns.
#[derive(Debug, Clone, PartialEq, Eq)]
enum KillRequest {
    None,
    /// The framework or an operator requested the end.
    Requested,
    /// The task is ended for a partition. The message is that of the update that will be sent to its framework.
    Preempted(String),
}

impl Task {
    /// Creates a task whose end has not been requested.
    pub fn new(proto: v1::Task, agent: AgentId, resources: Resources) -> Self {
        Task { proto: Arc::new(proto), agent, resources, kill: KillRequest::None }
    }

    pub fn proto(&self) -> &Arc<v1::Task> {
        &self.proto
    }

    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Returns the resources of the task, allocated to its role. They are recovered once the task is terminal.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Replaces the resources by equal ones of another task, so that both share their memory.
    pub fn share_resources(&mut self, equal: &Resources) {
        self.resources = equal.clone();
    }

    /// Returns whether the end of the task was requested.
    pub fn is_kill_requested(&self) -> bool {
        self.kill != KillRequest::None
    }

    /// Returns the message of the update that will be sent to the framework, if the task is being killed for a
    /// partition; otherwise `None`.
    pub fn preemption(&self) -> Option<&str> {
        match &self.kill {
            KillRequest::Preempted(message) => Some(message),
            KillRequest::None | KillRequest::Requested => None,
        }
    }

    /// Records that the framework or an operator requested the end of the task. A preemption is not changed by that.
    pub fn request_kill(&mut self) {
        if self.kill == KillRequest::None {
            self.kill = KillRequest::Requested;
        }
    }

    /// Records that the task is ended because a partition needs its resources.
    pub fn preempt(&mut self, message: String) {
        self.kill = KillRequest::Preempted(message);
    }

    /// Enters a status. `latest` is the state of the task on its agent, if the update contains it. `forwarded` says
    /// whether the status has been sent to the framework, which will acknowledge it.
    pub(super) fn record(&mut self, status: &v1::TaskStatus, latest: Option<v1::TaskState>, forwarded: bool) {
        let before = self.state();
        let says = v1::TaskState::try_from(status.state).unwrap_or(before);
        let proto = Arc::make_mut(&mut self.proto);
        // A task whose resources have been recovered does not become live again.
        let claimed = latest.unwrap_or(says);
        if !is_terminal_or_unreachable(before) || (!model::is_terminal(before) && model::is_terminal(claimed)) {
            proto.state = claimed as i32;
        }
        record_status(proto, status);
        if let Some(uuid) = &status.uuid {
            proto.status_update_state = Some(status.state);
            if forwarded {
                proto.status_update_uuid = Some(uuid.clone());
            }
        }
    }

    pub fn state(&self) -> v1::TaskState {
        state_of(&self.proto)
    }

    /// Returns the state that was last forwarded to its framework, which may be behind the latest one while updates
    /// wait for acknowledgement.
    pub fn forwarded_state(&self) -> v1::TaskState {
        forwarded_state_of(&self.proto)
    }
}

/// Returns the state of a task message as [`Task::forwarded_state`] does.
pub(crate) fn forwarded_state_of(task: &v1::Task) -> v1::TaskState {
    task.status_update_state.and_then(|s| v1::TaskState::try_from(s).ok()).unwrap_or(state_of(task))
}

pub(crate) fn state_of(task: &v1::Task) -> v1::TaskState {
    v1::TaskState::try_from(task.state).unwrap_or(v1::TaskState::TaskUnknown)
}

/// Returns whether a task in this state uses no resources any more.
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

/// Adds a status to the task's history. A repeated state replaces the last entry, and `data` is left out (it can be
/// large, and only the framework uses it).
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
