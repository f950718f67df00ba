//! Executors over libprocess: the v0 driver protocol.

use messages::internal;
use model::agent::ExecutorState;
use model::{ExecutorId, FrameworkId, TaskId, Upid};

use crate::effects::{Context, Record, Timer};
use crate::executors::http;
use crate::state::State;
use crate::tasks::{kill, launch};
use crate::updates::status_update;
use crate::updates::status_update_manager::Origin;

pub(crate) fn driver_registers(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    message: internal::RegisterExecutorMessage,
) {
    let framework = FrameworkId::from(&message.framework_id);
    let id = ExecutorId::from(&message.executor_id);
    if state.executor_recovery.is_under_way() {
        // The executor was never given its tasks, and they have been reported by the time it could have them.
        tracing::warn!("refusing executor {id:?} of framework {framework}: the agent is still recovering");
        return cx.send(&from, internal::ShutdownExecutorMessage::default());
    }
    if !adopt_driver(state, cx, &from, &framework, &id) {
        return;
    }
    let Some(known) = state.frameworks.get(&framework) else { return };
    let Some(executor) = known.executor(&id) else { return };
    if executor.has_no_work() {
        return kill::end_executor(state, cx, &framework, &id);
    }
    let message = internal::ExecutorRegisteredMessage {
        executor_info: (**executor.info()).clone(),
        framework_id: framework.to_proto(),
        framework_info: (*known.snapshot().info).clone(),
        slave_id: state.identity.proto(),
        slave_info: (**state.identity.info()).clone(),
    };
    cx.send(&from, message);
    state.frameworks.publish_executor(cx, &framework, &id);
    launch::deliver_queued(&mut state.frameworks, &state.config, cx, &framework, &id);
}

pub(crate) fn driver_reregisters(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    message: internal::ReregisterExecutorMessage,
) {
    let framework = FrameworkId::from(&message.framework_id);
    let id = ExecutorId::from(&message.executor_id);
    let running = state.frameworks.executor(&framework, &id).is_some_and(|e| e.is_running());
    if running && state.config.executor_reregistration_retry_interval.is_some() {
        // The executor was asked more than once, and answers more than once.
        return;
    }
    if !adopt_driver(state, cx, &from, &framework, &id) {
        return;
    }
    let answer = internal::ExecutorReregisteredMessage {
        slave_id: state.identity.proto(),
        slave_info: (**state.identity.info()).clone(),
    };
    cx.send(&from, answer);
    for update in message.updates {
        driver_update(state, cx, update, from.clone());
    }
    let held: Vec<TaskId> = message.tasks.iter().map(|task| TaskId::from(&task.task_id)).collect();
    http::drop_undelivered(state, cx, &framework, &id, &held);
    if state.frameworks.executor(&framework, &id).is_some_and(|e| e.has_no_work()) {
        return kill::end_executor(state, cx, &framework, &id);
    }
    state.frameworks.publish_executor(cx, &framework, &id);
    launch::deliver_queued(&mut state.frameworks, &state.config, cx, &framework, &id);
}

/// Returns false if the executor is not expected here: the agent then sends it a request to shut down.
fn adopt_driver(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    framework: &FrameworkId,
    id: &ExecutorId,
) -> bool {
    let terminating = state.master.is_terminating();
    let terminating = terminating || state.frameworks.get(framework).is_none_or(|f| f.is_terminating());
    let executor = state.frameworks.executor_mut(framework, id).filter(|_| !terminating);
    let Some(executor) = executor.filter(|e| e.is_registering() && e.is_launch_requested()) else {
        tracing::warn!("refusing executor {id:?} of framework {framework} at {from}");
        cx.send(from, internal::ShutdownExecutorMessage::default());
        return false;
    };
    executor.connect_driver(from.clone());
    executor.enter(ExecutorState::Running, &state.metrics);
    cx.disarm(Timer::ExecutorRegistration(executor.container().clone()));
    cx.link(from.address);
    let record = Record::ExecutorLink {
        framework: framework.clone(),
        executor: id.clone(),
        container: executor.container().clone(),
        pid: Some(from.clone()),
    };
    state.pending_writes.store(cx, record);
    state.executor_recovery.record_progress(cx.now.monotonic);
    true
}

pub(crate) fn driver_updates(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    message: internal::StatusUpdateMessage,
) {
    // The driver names the process to send to; older ones leave it to the sender's address.
    let pid = message.pid.as_deref().and_then(|pid| pid.parse().ok()).filter(|pid: &Upid| !pid.is_none());
    driver_update(state, cx, message.update, pid.unwrap_or(from));
}

fn driver_update(state: &mut State, cx: &mut Context<'_>, update: internal::StatusUpdate, pid: Upid) {
    if let Err(refused) = status_update::status_update(state, cx, update, Origin::Driver(pid.clone())) {
        tracing::warn!("dropped an update from {pid}: {refused}");
    }
}

pub(crate) fn driver_messages(state: &mut State, cx: &mut Context<'_>, message: internal::ExecutorToFrameworkMessage) {
    let framework = FrameworkId::from(&message.framework_id);
    let executor = ExecutorId::from(&message.executor_id);
    http::executor_message(state, cx, &framework, &executor, message.data);
}
