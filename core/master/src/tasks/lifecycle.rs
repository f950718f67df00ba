//! The life of a task from its launch until it is removed: its state, its resources, and its entries in indices.

use std::sync::Arc;

use messages::v1;
use model::master::{Change, TaskRemoval, TaskSnapshot};
use model::{FrameworkId, TaskId, Upid};

use super::master_generated::{MasterGenerated, master_generated_update};
use super::task;
use crate::allocation::recover_used;
use crate::draining::check_drained;
use crate::failures::{observe_task_end, observe_task_health};
use crate::frameworks::Frameworks;
use crate::interface::Context;
use crate::state::State;
use model::master::Metrics;

/// Applies a status to a task. `forwarded` says whether its framework is sent the status and will acknowledge it.
///
/// A status with a uuid is what the framework receives next, even if its agent has to repeat it because the framework
/// was disconnected. (Mesos does not record these, and answers a reconciliation with the end of a task whose beginning
/// is delivered later.)
pub(super) fn apply_status(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &TaskId,
    status: Arc<v1::TaskStatus>,
    latest: Option<v1::TaskState>,
    forwarded: bool,
) {
    let Some(task) = state.tasks.get_mut(framework.as_str(), id.as_str()) else { return };
    let before = task.state();
    task.record(&status, latest, forwarded);
    let now = task.state();
    let ended = task::is_terminal_or_unreachable(now) && !task::is_terminal_or_unreachable(before);
    let (agent, freed) = (task.agent().clone(), ended.then(|| task.resources().clone()));
    let snapshot = task.snapshot().clone();
    cx.publish(Change::TaskUpdated { task: snapshot.clone(), status: status.clone() });
    move_gauge(&state.metrics, Some(before), Some(now));
    if ended || status.healthy.is_some() {
        observe_task_health(state, cx, &snapshot, &status);
    }
    if let Some(freed) = freed {
        state.metrics.task_ended(now, status.source, status.reason);
        recover_used(&mut state.allocator, &state.metrics, cx, framework, &agent, &freed);
        observe_task_end(state, cx, &snapshot, &status);
    }
}

fn move_gauge(metrics: &Metrics, from: Option<v1::TaskState>, to: Option<v1::TaskState>) {
    if from == to {
        return;
    }
    if let Some(gauge) = from.and_then(|task_state| metrics.tasks_in(task_state)) {
        gauge.decrement();
    }
    if let Some(gauge) = to.and_then(|task_state| metrics.tasks_in(task_state)) {
        gauge.increment();
    }
}

pub(crate) fn add_task(state: &mut State, cx: &mut Context<'_>, task: TaskSnapshot) {
    if state.frameworks.get(task.framework().as_str()).is_none() {
        return;
    }
    move_gauge(&state.metrics, None, Some(task.state()));
    if !task::is_terminal_or_unreachable(task.state()) {
        state.metrics.used.add(task.resources());
    }
    let task = state.tasks.insert(task);
    cx.publish(Change::TaskAdded(task));
}

/// Removes a task, which moves to the completed or to the unreachable history.
pub(crate) fn remove_task(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &TaskId,
    removal: TaskRemoval,
) {
    let limit = state.config.max_unreachable_tasks_per_framework;
    let Some(task) = state.tasks.remove(framework, id) else { return };
    if removal == TaskRemoval::Completed && model::is_terminal(task.forwarded_state()) {
        state.tasks.add_recently_completed(framework, id.clone(), task.agent().clone());
    }
    if removal == TaskRemoval::Unreachable {
        let forgotten = state.tasks.add_unreachable(framework, id.clone(), task.snapshot().clone(), limit);
        state.metrics.tasks_unreachable.add(1 - forgotten as i64);
    }
    let task_state = task.state();
    move_gauge(&state.metrics, Some(task_state), None);
    if !task::is_terminal_or_unreachable(task_state) {
        recover_used(&mut state.allocator, &state.metrics, cx, framework, task.agent(), task.resources());
    }
    cx.publish(Change::TaskRemoved { framework: framework.clone(), task: id.clone(), removal });
    check_drained(state, cx, task.agent());
}

/// Ends a live task by a generated update, and removes it. A task that is terminal for its framework, but not
/// acknowledged, keeps its state; Mesos changes it to unreachable or lost.
pub(crate) fn terminate_task(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &TaskId,
    reason: &MasterGenerated,
    removal: TaskRemoval,
) -> Option<Arc<v1::TaskStatus>> {
    let task = state.tasks.get(framework.as_str(), id.as_str())?;
    let forwarded = task.forwarded_state();
    if model::is_terminal(forwarded) {
        let again = reason.with_state(forwarded);
        let status = Arc::new(again.status(task.snapshot(), cx.now.wall));
        remove_task(state, cx, framework, id, TaskRemoval::Completed);
        return Some(status);
    }
    let status = Arc::new(reason.status(task.snapshot(), cx.now.wall));
    apply_status(state, cx, framework, id, status.clone(), None, false);
    remove_task(state, cx, framework, id, removal);
    Some(status)
}

/// Sends a framework an update that the master generated.
pub(crate) fn forward_master_generated(
    frameworks: &Frameworks,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    status: &v1::TaskStatus,
) {
    if let Some(framework) = frameworks.get(framework.as_str()) {
        let update = master_generated_update(framework.id(), status);
        framework.listener().clone().update(cx, status, update, Some(Upid::none().to_string()));
    }
}

/// Sends an update about a task that was never launched.
pub(crate) fn refuse_task(
    frameworks: &Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    task: &v1::TaskInfo,
    reason: &MasterGenerated,
) {
    let status = reason.status_of(task.task_id.clone(), Some(task.agent_id.clone()), cx.now.wall);
    metrics.task_ended(reason.state, status.source, status.reason);
    forward_master_generated(frameworks, cx, framework, &status);
}
