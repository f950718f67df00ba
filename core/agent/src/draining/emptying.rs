//! Draining of the agent: all tasks are killed, and no new ones are accepted until the agent is empty.

use messages::{internal, v1};
use model::{FrameworkId, TaskId};

use crate::effects::Context;
use crate::frameworks::framework::Framework;
use crate::frameworks::index::Frameworks;
use crate::operations::operation_status_updates::OperationStatusUpdates;
use crate::registration::register;
use crate::state::State;
use crate::tasks::kill;

/// Begins to drain. A master repeats the message at every re-registration until the agent is empty; the newest
/// configuration counts.
pub(crate) fn drain(state: &mut State, cx: &mut Context<'_>, config: v1::DrainConfig) {
    if is_empty(&state.frameworks, &state.operation_status_updates) {
        tracing::info!("drained at once: no task is running");
        return;
    }
    let grace = config.max_grace_period.map(|grace| grace.nanoseconds / 1_000_000_000);
    tracing::info!(max_grace_seconds = grace, mark_gone = config.mark_gone(), "draining");
    state.drain.begin(cx, &mut state.pending_writes, config);
    register::publish_agent(state, cx);
    kill_tasks_for_drain(state, cx);
}

/// Kills each task with at most the drain's grace period. A restarted agent also does so once its executors are back:
/// the kills of its predecessor may not have reached them.
pub(crate) fn kill_tasks_for_drain(state: &mut State, cx: &mut Context<'_>) {
    let Some(max) = state.drain.config().map(|config| config.max_grace_period) else { return };
    let mut kills = Vec::new();
    for executor in state.frameworks.executors() {
        let live = executor.live_tasks();
        kills.extend(live.map(|(task, entry)| (executor.framework().clone(), task.clone(), bounded(entry, max))));
    }
    for (framework, task, kill_policy) in kills {
        kill_task_for_drain(state, cx, &framework, &task, kill_policy);
    }
    finish_drain_if_empty(state, cx);
}

fn kill_task_for_drain(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    task: &TaskId,
    kill_policy: Option<Box<v1::KillPolicy>>,
) {
    // An earlier task of the same group may have killed the whole group.
    if !state.frameworks.executor_of(framework, task).is_some_and(|executor| executor.has_live_task(task)) {
        return;
    }
    let message =
        internal::KillTaskMessage { framework_id: framework.to_proto(), task_id: task.to_proto(), kill_policy };
    kill::kill_task(state, cx, message);
}

/// Ends the drain of an empty agent, which then accepts tasks again. The master sends no tasks until the agent is
/// reactivated.
pub(crate) fn finish_drain_if_empty(state: &mut State, cx: &mut Context<'_>) {
    if state.drain.is_under_way() && is_empty(&state.frameworks, &state.operation_status_updates) {
        tracing::info!("drained");
        end_drain(state, cx);
    }
}

/// Ends the drain if a task arrives while nothing runs here: its master considers the agent drained, and an operator
/// has reactivated it. (A Mesos agent refuses tasks until all feedback of operations is acknowledged, too; while new
/// operations arrive, that may be never.)
pub(crate) fn end_drain_without_executors(state: &mut State, cx: &mut Context<'_>) {
    if state.drain.is_under_way() && state.frameworks.iter().all(Framework::is_idle) {
        end_drain(state, cx);
    }
}

fn end_drain(state: &mut State, cx: &mut Context<'_>) {
    state.drain.end(cx, &mut state.pending_writes);
    register::publish_agent(state, cx);
}

fn is_empty(frameworks: &Frameworks, operation_status_updates: &OperationStatusUpdates) -> bool {
    frameworks.is_empty() && operation_status_updates.is_empty()
}

/// Returns the kill policy with the shorter of the task's own grace period and the drain's.
fn bounded(task: &v1::Task, max: Option<v1::DurationInfo>) -> Option<Box<v1::KillPolicy>> {
    let max = max?;
    let own = task.kill_policy.as_deref().and_then(|policy| policy.grace_period);
    let longer = own.is_none_or(|own| own.nanoseconds > max.nanoseconds);
    longer.then(|| Box::new(v1::KillPolicy { grace_period: Some(max) }))
}
