//! A task as the master knows it, from launch until its terminal update is acknowledged.

use std::sync::Arc;

use messages::v1;
use model::master::TaskSnapshot;
use model::{AgentId, FrameworkId};
use resources::Resources;

/// A task that has not been removed. Its methods keep dependent fields consistent.
#[derive(Debug)]
pub(crate) struct Task {
    /// The task as readers see it; the core keeps no second copy.
    snapshot: Arc<TaskSnapshot>,
    kill: KillRequest,
}

/// Whether the end of a task was asked for, which is repeated to an agent that returns.
#[derive(Debug, Clone, PartialEq, Eq)]
enum KillRequest {
    None,
    /// The framework or an operator requested the end.
    Requested,
    /// The task is ended for a partition. The message is that of the update that will be sent to its framework.
    Preempted(Box<str>),
}

impl Task {
    /// Creates a task whose end has not been requested.
    pub fn new(snapshot: Arc<TaskSnapshot>) -> Self {
        Task { snapshot, kill: KillRequest::None }
    }

    pub fn snapshot(&self) -> &Arc<TaskSnapshot> {
        &self.snapshot
    }

    pub fn agent(&self) -> &AgentId {
        self.snapshot.agent()
    }

    /// Returns the resources of the task, allocated to its role. They are recovered once the task is terminal.
    pub fn resources(&self) -> &Resources {
        self.snapshot.resources()
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
        self.kill = KillRequest::Preempted(message.into_boxed_str());
    }

    /// Enters a status. `latest` is the state of the task on its agent, if the update contains it. `forwarded` says
    /// whether the status has been sent to the framework, which will acknowledge it.
    pub(super) fn record(&mut self, status: &v1::TaskStatus, latest: Option<v1::TaskState>, forwarded: bool) {
        let mut state = self.state();
        // A task whose resources have been recovered does not become live again.
        let claimed = latest.or(v1::TaskState::try_from(status.state).ok()).unwrap_or(state);
        if !is_terminal_or_unreachable(state) || (!model::is_terminal(state) && model::is_terminal(claimed)) {
            state = claimed;
        }
        self.snapshot = Arc::new(self.snapshot.with_status(state, status, forwarded));
    }

    pub fn state(&self) -> v1::TaskState {
        self.snapshot.state()
    }

    /// Returns the state that was last forwarded to its framework, which may be behind the latest one while updates
    /// wait for acknowledgement.
    pub fn forwarded_state(&self) -> v1::TaskState {
        self.snapshot.forwarded_state()
    }
}

/// Returns the state in the message of a task.
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
