//! The wait for executors to reconnect, and its end.

use messages::internal;
use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use model::agent::ExecutorState;
use model::{Upid, format_duration};

use super::executor_recovery::FinishedRecovery;
use crate::config::{Config, Recover};
use crate::containers::events::destroy;
use crate::draining::emptying;
use crate::effects::{Context, Timer};
use crate::frameworks::executor::Termination;
use crate::frameworks::framework::gone_state;
use crate::recovery::ExecutorRecovery;
use crate::registration::identity::Identity;
use crate::registration::{register, terminate};
use crate::state::State;
use crate::tasks::kill;

/// Returns the termination of a container whose end was not observed. Its message is that of Mesos.
pub(super) fn unknown_termination(rebooted: bool) -> Termination {
    let cause = if rebooted { "the machine has been restarted" } else { "unknown container" };
    Termination {
        state: TaskState::TaskFailed,
        reason: Reason::ExecutorTerminated,
        message: format!("Abnormal executor termination: {cause}"),
    }
}

/// Waits for executors to reconnect. v0 executors are asked to; executors over HTTP reconnect by themselves.
pub(crate) fn wait_for_executors(
    config: &Config,
    executor_recovery: &ExecutorRecovery,
    identity: &Identity,
    cx: &mut Context<'_>,
) {
    if !executor_recovery.has_waiting() {
        return;
    }
    cx.arm_after(Timer::ExecutorReregistration, config.executor_reregistration_timeout);
    send_reconnect_executor(config, executor_recovery, identity, cx);
}

/// Asks a v0 executor to reconnect. An executor that answers on a connection to the earlier process gets a reset, and
/// receives only a second question (MESOS-7057).
pub(crate) fn send_reconnect_executor(
    config: &Config,
    executor_recovery: &ExecutorRecovery,
    identity: &Identity,
    cx: &mut Context<'_>,
) {
    let silent: Vec<Upid> = executor_recovery.silent_drivers().cloned().collect();
    for driver in &silent {
        cx.send(driver, internal::ReconnectExecutorMessage { slave_id: identity.proto() });
    }
    if let Some(interval) = config.executor_reregistration_retry_interval.filter(|_| !silent.is_empty()) {
        cx.arm_after(Timer::ExecutorReconnect, interval);
    }
}

/// Ends the executors that have not reconnected: each of them hangs, since the container of an ended executor would
/// have ended as well. While others still reconnect the machine is slow, and the wait is extended. (Mesos ends them.)
pub(crate) fn reregister_executor_timeout(state: &mut State, cx: &mut Context<'_>) {
    let Some(until) = state.executor_recovery.deadline(state.config.executor_reregistration_timeout) else { return };
    if until > cx.now.monotonic {
        return cx.arm(Timer::ExecutorReregistration, until);
    }
    let timeout = format_duration(state.config.executor_reregistration_timeout);
    for container in state.executor_recovery.stop_waiting() {
        let Some((framework_id, id)) = state.frameworks.by_container(&container) else { continue };
        let Some(gone) = state.frameworks.get(&framework_id).map(|f| gone_state(&f.snapshot().info)) else { continue };
        let executor = state.frameworks.executor_mut(&framework_id, &id);
        let Some(executor) = executor.filter(|executor| executor.is_registering()) else { continue };
        tracing::warn!("ending executor {id:?} of framework {framework_id}: it has not come back within {timeout}");
        executor.set_pending_termination(Termination {
            state: gone,
            reason: Reason::ExecutorReregistrationTimeout,
            message: format!("Executor did not reregister within {timeout}"),
        });
        executor.enter(ExecutorState::Terminating, &state.metrics);
        destroy(cx, &container);
        state.frameworks.publish_executor(cx, &framework_id, &id);
    }
}

/// Ends all executors for `--recover=cleanup`. The agent does not register, so no framework receives the ends of the
/// tasks.
pub(crate) fn end_all_executors(state: &mut State, cx: &mut Context<'_>) {
    tracing::info!("cleaning up: what runs here is ended, and the next start is that of a new agent");
    state.master.terminate("");
    for driver in state.executor_recovery.drivers() {
        cx.send(driver, internal::ShutdownExecutorMessage::default());
    }
    for framework in &state.frameworks.ids() {
        kill::shutdown_framework(state, cx, framework);
    }
}

/// Ends the recovery as soon as every executor has reconnected or ended. (Mesos always waits for the whole timeout:
/// MESOS-7539.)
pub(crate) fn finish_recovery_if_done(state: &mut State, cx: &mut Context<'_>) {
    while let Some(container) = state.executor_recovery.first_waiting().cloned() {
        let owner = state.frameworks.by_container(&container);
        let executor = owner.and_then(|(framework, id)| state.frameworks.executor(&framework, &id));
        if executor.is_some_and(|executor| executor.is_registering()) {
            return;
        }
        state.executor_recovery.stop_waiting_for(&container);
    }
    if let Some(finished) = state.executor_recovery.finish(cx.now.monotonic) {
        recovered(state, cx, finished);
    }
}

fn recovered(state: &mut State, cx: &mut Context<'_>, finished: FinishedRecovery) {
    cx.disarm(Timer::ExecutorReregistration);
    cx.disarm(Timer::ExecutorReconnect);
    let FinishedRecovery { took, detected } = finished;
    tracing::info!("finished recovery after {took:?}");
    state.metrics.recovered_after(took);
    if state.config.recover == Recover::Cleanup {
        return terminate::terminate_if_idle(&state.frameworks, &mut state.master, &mut state.pending_writes, cx);
    }
    emptying::kill_tasks_for_drain(state, cx);
    if let Some(detected) = detected {
        register::master_detected(state, cx, detected);
    }
}
