//! A task as the agent shows and reports it.

use messages::v1;
use messages::v1::TaskState;
use model::FrameworkId;

/// The most statuses that a task shows; executors that alternate between states do not make it larger.
const MAX_STATUSES: usize = 64;

/// Converts a state. `wire` has refused unknown enum values, so an unknown one means forged input: it is treated as the
/// state that guarantees nothing.
pub(crate) fn task_state(value: i32) -> TaskState {
    TaskState::try_from(value).unwrap_or(TaskState::TaskUnknown)
}

/// Returns the task as it is shown and reported before its first update.
pub(crate) fn new_task(info: &v1::TaskInfo, framework: &FrameworkId) -> v1::Task {
    let executor = info.executor.as_deref();
    let user = info.command.as_ref().and_then(|c| c.user.clone());
    v1::Task {
        name: info.name.clone(),
        task_id: info.task_id.clone(),
        framework_id: framework.to_proto(),
        executor_id: executor.map(|e| e.executor_id.clone()),
        agent_id: info.agent_id.clone(),
        state: TaskState::TaskStaging as i32,
        resources: info.resources.clone(),
        labels: info.labels.clone(),
        discovery: info.discovery.clone(),
        container: info.container.clone(),
        user: user.or_else(|| executor.and_then(|e| e.command.as_ref()).and_then(|c| c.user.clone())),
        health_check: info.health_check.clone(),
        kill_policy: info.kill_policy.clone(),
        limits: info.limits.clone(),
        ..Default::default()
    }
}

/// Appends a status. Of equal states only the newest status is kept, as in Mesos. The data is for the framework only
/// and stays in the update.
pub(crate) fn append_status(task: &mut v1::Task, status: &v1::TaskStatus) {
    let mut status = status.clone();
    status.data = None;
    task.state = status.state;
    if task.statuses.last().is_some_and(|last| last.state == status.state) {
        task.statuses.pop();
    }
    if task.statuses.len() >= MAX_STATUSES {
        task.statuses.remove(0);
    }
    task.statuses.push(status);
}
