//! The end of tasks, executors and frameworks at the master's request.

use messages::internal;
use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use model::agent::ExecutorState;
use model::{ExecutorId, FrameworkId, TaskId};

use crate::containers::events;
use crate::effects::{Context, Record, Timer};
use crate::frameworks::executor::Executor;
use crate::registration::register;
use crate::state::State;
use crate::updates::status_update;
use crate::updates::status_update::AgentGenerated;

pub(crate) fn kill_task(state: &mut State, cx: &mut Context<'_>, message: internal::KillTaskMessage) {
    let framework_id = FrameworkId::from(&message.framework_id);
    let task = TaskId::from(&message.task_id);
    let Some(framework) = state.frameworks.get_mut(&framework_id).filter(|f| !f.is_terminating()) else {
        tracing::warn!("ignoring a kill of task {task:?}: framework {framework_id} is unknown or terminating");
        return;
    };
    let dropped = framework.dropped_state();
    let Some(executor) = framework.executor_of(&task) else {
        let report = AgentGenerated::new(dropped, Reason::ExecutorTerminated, "Cannot find executor");
        status_update::send_generated(state, cx, &framework_id, &task, None, report);
        // The kill may have overtaken the launch, which must not succeed any more.
        state.identity.renew_resource_version(&mut state.random);
        return register::update_slave(state, cx);
    };
    if let Some((group, tasks)) = executor.queued_with(&task) {
        let executor = executor.id().clone();
        return kill_queued(state, cx, &framework_id, &executor, &tasks, group);
    }
    match executor.state() {
        ExecutorState::Running if !executor.is_connected() => {
            executor.keep_kill(task, message.kill_policy);
        }
        ExecutorState::Running => executor.kill(cx, &task, message.kill_policy),
        // The task ends with its executor.
        ExecutorState::Registering | ExecutorState::Terminating | ExecutorState::Terminated => {
            tracing::warn!("ignoring a kill of task {task:?}: executor {:?} is not running", executor.id())
        }
    }
}

/// Kills a task that its executor was not given. Its whole group ends with it.
fn kill_queued(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    executor_id: &ExecutorId,
    tasks: &[TaskId],
    group: bool,
) {
    let running = state.frameworks.executor(framework, executor_id).is_some_and(|e| e.is_running());
    let message = if group && !running {
        "A task within the task group was killed before delivery to the executor"
    } else {
        "Killed before delivery to the executor"
    };
    for task in tasks {
        let report = AgentGenerated::new(TaskState::TaskKilled, Reason::TaskKilledDuringLaunch, message);
        status_update::send_generated(state, cx, framework, task, Some(executor_id), report);
    }
    // An executor that has not registered yet is sent the request when it registers.
    if state.frameworks.executor(framework, executor_id).is_some_and(|e| e.is_running() && e.has_no_work()) {
        end_executor(state, cx, framework, executor_id);
    }
}

pub(crate) fn shutdown_executor(state: &mut State, cx: &mut Context<'_>, message: internal::ShutdownExecutorMessage) {
    let (Some(framework), Some(executor)) = (message.framework_id, message.executor_id) else { return };
    let framework = FrameworkId::from(&framework);
    if state.frameworks.get(&framework).is_some_and(|f| !f.is_terminating()) {
        end_executor(state, cx, &framework, &ExecutorId::from(&executor));
    }
}

pub(crate) fn shutdown_framework(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let forgotten = state.status_updates.remove_framework(id);
    if !forgotten.is_empty() {
        state.pending_writes.store(cx, Record::UpdatesForgotten(id.clone()));
    }
    for task in forgotten {
        cx.disarm(Timer::UpdateRetry(id.clone(), task));
    }
    let Some(framework) = state.frameworks.get_mut(id) else { return };
    if !framework.terminate() {
        return;
    }
    tracing::info!("shutting down framework {id}");
    let executors: Vec<ExecutorId> = framework.executors().map(|executor| executor.id().clone()).collect();
    for executor in &executors {
        match state.frameworks.executor(id, executor).map(Executor::state) {
            Some(ExecutorState::Terminated) => events::remove_executor(state, cx, id, executor),
            Some(_) => end_executor(state, cx, id, executor),
            None => {}
        }
    }
    events::remove_framework_if_idle(state, cx, id);
}

/// Asks a live executor to exit by itself, within its grace period.
pub(crate) fn end_executor(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
    let Some(executor) = state.frameworks.executor_mut(framework, id) else { return };
    if !executor.is_live() {
        return;
    }
    // An executor that is not connected is sent the request when it connects. If it does not, it is destroyed after the
    // grace period.
    if executor.is_connected() {
        executor.shut_down(cx);
    }
    cx.disarm(Timer::ExecutorRegistration(executor.container().clone()));
    executor.enter(ExecutorState::Terminating, &state.metrics);
    let own = executor.info().shutdown_grace_period.as_ref().map(model::duration_from_proto);
    let grace = own.unwrap_or(state.config.executor_shutdown_grace_period);
    cx.arm_after(Timer::ExecutorShutdown(executor.container().clone()), grace);
    state.frameworks.publish_executor(cx, framework, id);
}
