//! The wait for executors to reconnect, and its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use messages::{internal, v1};
use model::agent::ExecutorState;
use model::{ContainerId, Monotonic, Now, Upid, format_duration};

use crate::config::Recover;
use crate::containers::events::destroy;
use crate::drain;
use crate::effects::{Context, Timer};
use crate::frameworks::executor::Termination;
use crate::frameworks::framework::gone_state;
use crate::registration::{register, terminate};
use crate::state::State;
use crate::tasks::kill;

/// The time for which executors that reconnect one after the other may delay the registration.
const MAX_RECONNECTING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Recovering {
    since: Monotonic,
    /// Whether the machine was restarted, too, so that nothing that ran can report its end.
    pub(super) rebooted: bool,
    /// The time at which the last executor reconnected.
    progress: Monotonic,
    /// The executors that have neither reconnected nor ended.
    pub(super) waiting: BTreeSet<ContainerId>,
    /// The last processes of the executors that speak the driver protocol.
    pub(super) drivers: BTreeMap<ContainerId, Upid>,
    /// The leading master, as detected meanwhile.
    detected: Option<Option<Box<v1::MasterInfo>>>,
}

impl Recovering {
    pub(super) fn new(now: Now, rebooted: bool) -> Self {
        Recovering {
            since: now.monotonic,
            rebooted,
            progress: now.monotonic,
            waiting: BTreeSet::new(),
            drivers: BTreeMap::new(),
            detected: None,
        }
    }
}

/// Returns the termination of a container whose end was not observed; if nothing more is known of it, in Mesos' words.
pub(super) fn unknown_termination(rebooted: bool) -> Termination {
    let why = if rebooted { "the machine has been restarted" } else { "unknown container" };
    Termination {
        state: TaskState::TaskFailed,
        reason: Reason::ExecutorTerminated,
        message: format!("Abnormal executor termination: {why}"),
    }
}

pub(crate) fn executor_reregistered(state: &mut State, cx: &Context<'_>) {
    if let Some(recovering) = &mut state.recovering {
        recovering.progress = cx.now.monotonic;
    }
}

/// Waits for executors. v0 executors are told that the agent is back; those over HTTP find out by themselves.
pub(crate) fn wait_for_executors(state: &mut State, cx: &mut Context<'_>) {
    if state.recovering.as_ref().is_none_or(|recovering| recovering.waiting.is_empty()) {
        return;
    }
    cx.arm_after(Timer::ExecutorReregistration, state.config.executor_reregistration_timeout);
    send_reconnect_executor(state, cx);
}

/// Asks a v0 executor to reconnect. An executor that answers on a connection to the earlier process gets a reset, and
/// receives only a second question (MESOS-7057).
pub(crate) fn send_reconnect_executor(state: &mut State, cx: &mut Context<'_>) {
    let Some(recovering) = &state.recovering else { return };
    let silent = recovering.drivers.iter().filter(|(container, _)| recovering.waiting.contains(*container));
    let silent: Vec<Upid> = silent.map(|(_, driver)| driver.clone()).collect();
    for driver in &silent {
        cx.send(driver, internal::ReconnectExecutorMessage { slave_id: state.identity.proto() });
    }
    if let Some(interval) = state.config.executor_reregistration_retry_interval.filter(|_| !silent.is_empty()) {
        cx.arm_after(Timer::ExecutorReconnect, interval);
    }
}

/// Ends the executors that have not reconnected: each of them hangs, since its container would have ended if it had.
/// While others still reconnect the machine is slow, and the wait is extended. (Mesos ends them.)
pub(crate) fn reregister_executor_timeout(state: &mut State, cx: &mut Context<'_>) {
    let Some(recovering) = &mut state.recovering else { return };
    let latest = recovering.since + MAX_RECONNECTING.max(state.config.executor_reregistration_timeout);
    let until = (recovering.progress + state.config.executor_reregistration_timeout).min(latest);
    if until > cx.now.monotonic {
        return cx.arm(Timer::ExecutorReregistration, until);
    }
    let waiting = std::mem::take(&mut recovering.waiting);
    let timeout = format_duration(state.config.executor_reregistration_timeout);
    for container in waiting {
        let Some((framework_id, id)) = state.frameworks.by_container(&container) else { continue };
        let Some(gone) = state.frameworks.get(&framework_id).map(|f| gone_state(&f.snapshot.info)) else { continue };
        let executor = state.frameworks.executor_mut(&framework_id, &id);
        let Some(executor) = executor.filter(|executor| executor.is_registering()) else { continue };
        tracing::warn!("ending executor {id:?} of framework {framework_id}: it has not come back within {timeout}");
        executor.pending_termination = Some(Termination {
            state: gone,
            reason: Reason::ExecutorReregistrationTimeout,
            message: format!("Executor did not reregister within {timeout}"),
        });
        executor.enter(ExecutorState::Terminating, &state.metrics);
        destroy(cx, &container);
        state.frameworks.publish_executor(cx, &framework_id, &id);
    }
}

/// Ends all executors for `--recover=cleanup`. No master is registered with, so nobody is told how the tasks end.
pub(crate) fn end_all_executors(state: &mut State, cx: &mut Context<'_>) {
    tracing::info!("cleaning up: what runs here is ended, and the next start is that of a new agent");
    state.master.terminate("");
    let drivers = state.recovering.as_ref().map(|recovering| recovering.drivers.clone()).unwrap_or_default();
    for driver in drivers.values() {
        cx.send(driver, internal::ShutdownExecutorMessage::default());
    }
    for framework in &state.frameworks.ids() {
        kill::shutdown_framework(state, cx, framework);
    }
}

/// Returns the detected master; `None` while the recovery is in progress.
pub(crate) fn detected_after_recovery(
    state: &mut State,
    master: Option<Box<v1::MasterInfo>>,
) -> Option<Option<Box<v1::MasterInfo>>> {
    match &mut state.recovering {
        Some(recovering) => {
            recovering.detected = Some(master);
            None
        }
        None => Some(master),
    }
}

/// Ends the recovery as soon as every executor has reconnected or ended. (Mesos always waits for the whole timeout:
/// MESOS-7539.)
pub(crate) fn finish_recovery_if_done(state: &mut State, cx: &mut Context<'_>) {
    loop {
        let Some(recovering) = &mut state.recovering else { return };
        let Some(container) = recovering.waiting.first().cloned() else { break };
        let owner = state.frameworks.by_container(&container);
        let executor = owner.and_then(|(framework, id)| state.frameworks.executor(&framework, &id));
        if executor.is_some_and(|executor| executor.is_registering()) {
            return;
        }
        recovering.waiting.remove(&container);
    }
    if let Some(recovering) = state.recovering.take() {
        recovered(state, cx, recovering);
    }
}

fn recovered(state: &mut State, cx: &mut Context<'_>, recovering: Recovering) {
    cx.disarm(Timer::ExecutorReregistration);
    cx.disarm(Timer::ExecutorReconnect);
    let took = cx.now.monotonic.since(recovering.since);
    tracing::info!("finished recovery after {took:?}");
    state.metrics.recovered_after(took);
    if state.config.recover == Recover::Cleanup {
        return terminate::terminate_if_idle(state, cx);
    }
    drain::kill_tasks_for_drain(state, cx);
    if let Some(detected) = recovering.detected {
        register::master_detected(state, cx, detected);
    }
}
