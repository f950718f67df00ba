//! Reports that the launch of a container is under way, for instance that its image is being pulled (beyond Mesos). The tasks
//! that wait for it get an update with their state as it is, and the progress as its message.

use messages::v1::TaskState;
use messages::v1::task_status::Source;
use messages::{internal, v1};
use model::{ContainerId, TaskId};

use crate::effects::Context;
use crate::frameworks::executor::Executor;
use crate::frameworks::task::task_state;
use crate::state::State;
use crate::updates::status_update::status_update;
use crate::updates::status_update_manager::Origin;

/// Reports the progress of a container to the tasks that wait for it. A task whose last update is not acknowledged is left out:
/// a later report says more.
pub(crate) fn launch_progress(state: &mut State, cx: &mut Context<'_>, container: &ContainerId, message: &str) {
    let Some((framework, id)) = state.frameworks.by_container(&container.root()) else { return };
    let Some(executor) = state.frameworks.executor(&framework, &id) else { return };
    let waiting: Vec<(TaskId, v1::TaskStatus)> = executor
        .live_tasks()
        .filter(|(task, _)| !state.status_updates.is_waiting(&framework, task))
        .filter_map(|(task, known)| Some((task.clone(), last_status(executor, known, container)?)))
        .collect();
    for (task, last) in waiting {
        let uuid = state.random.uuid().as_bytes().to_vec();
        let timestamp = cx.now.wall.secs_f64();
        let status = v1::TaskStatus {
            message: Some(message.to_owned()),
            agent_id: Some(state.identity.proto()),
            executor_id: Some(id.to_proto()),
            source: Some(Source::Agent as i32),
            timestamp: Some(timestamp),
            uuid: Some(uuid.clone()),
            ..last
        };
        let update = internal::StatusUpdate {
            framework_id: framework.to_proto(),
            executor_id: Some(id.to_proto()),
            slave_id: Some(state.identity.proto()),
            status,
            timestamp,
            uuid: Some(uuid),
            latest_state: None,
        };
        if let Err(refused) = status_update(state, cx, update, Origin::Agent) {
            tracing::warn!("dropped an update of task {task:?} of framework {framework}: {refused}");
        }
    }
}

/// Returns the status of a task that the launch of this container delays; `None` for another task. Tasks in the container of
/// their executor are staging; a task with a container of its own has named it when it was starting.
fn last_status(executor: &Executor, task: &v1::Task, container: &ContainerId) -> Option<v1::TaskStatus> {
    let state = task_state(task.state);
    if executor.container() == container {
        let is_waiting = state == TaskState::TaskStaging;
        return is_waiting.then(|| v1::TaskStatus {
            task_id: task.task_id.clone(),
            state: state as i32,
            ..Default::default()
        });
    }
    let last = task.statuses.last().filter(|_| state == TaskState::TaskStarting)?;
    let named = last.container_status.as_deref()?.container_id.as_deref()?;
    let is_own = ContainerId::try_from(named).is_ok_and(|named| named == *container);
    is_own.then(|| v1::TaskStatus { reason: None, data: None, ..last.clone() })
}
