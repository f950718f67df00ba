//! Waiting for executors to come back, and the end of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use messages::{internal, v1};
use model::{ContainerId, FrameworkId, Monotonic, Now, Upid, format_duration};

use crate::agent::Agent;
use crate::config::Recover;
use crate::container_events::destroy;
use crate::effects::{Context, Timer};
use crate::registration::RegistrationState;
use crate::state::{Termination, is_partition_aware};
use model::agent::ExecutorState;

/// How long executors that come back one after the other may keep the agent from its master.
const MAX_RECONNECTING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Recovering {
    since: Monotonic,
    /// With the machine: nothing that ran has seen its end.
    pub(super) rebooted: bool,
    /// When an executor came back last.
    progress: Monotonic,
    /// Executors that have neither come back nor ended.
    pub(super) waiting: BTreeSet<ContainerId>,
    /// Where those that speak the driver protocol were reached last.
    pub(super) drivers: BTreeMap<ContainerId, Upid>,
    /// The leading master, as found meanwhile.
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

/// A container whose end nobody has seen; where nothing more is known of it, in Mesos' words.
pub(super) fn unknown_termination(rebooted: bool) -> Termination {
    let why = if rebooted { "the machine has been restarted" } else { "unknown container" };
    Termination {
        state: TaskState::TaskFailed,
        reason: Reason::ExecutorTerminated,
        message: format!("Abnormal executor termination: {why}"),
    }
}

impl Agent {
    pub(crate) fn executor_reregistered(&mut self, cx: &Context<'_>) {
        if let Some(recovering) = &mut self.recovering {
            recovering.progress = cx.now.monotonic;
        }
    }

    /// v0 executors are told that the agent is back; those over HTTP look after it themselves.
    pub(super) fn wait_for_executors(&mut self, cx: &mut Context<'_>) {
        if self.recovering.as_ref().is_none_or(|recovering| recovering.waiting.is_empty()) {
            return;
        }
        cx.arm_after(Timer::ExecutorReregistration, self.config.executor_reregistration_timeout);
        self.send_reconnect_executor(cx);
    }

    /// An executor that answers on a connection to the earlier process is answered by a reset, and hears a second
    /// question only (MESOS-7057).
    pub(crate) fn send_reconnect_executor(&mut self, cx: &mut Context<'_>) {
        let Some(recovering) = &self.recovering else { return };
        let silent = recovering.drivers.iter().filter(|(container, _)| recovering.waiting.contains(*container));
        let silent: Vec<Upid> = silent.map(|(_, driver)| driver.clone()).collect();
        for driver in &silent {
            cx.send(driver, internal::ReconnectExecutorMessage { slave_id: self.agent_id() });
        }
        if let Some(interval) = self.config.executor_reregistration_retry_interval.filter(|_| !silent.is_empty()) {
            cx.arm_after(Timer::ExecutorReconnect, interval);
        }
    }

    /// Who has not come back by now hangs: had it ended, its container would have, too. While others do come back the
    /// machine is slow, and nobody is to blame. (Mesos ends them.)
    pub(crate) fn reregister_executor_timeout(&mut self, cx: &mut Context<'_>) {
        let Some(recovering) = &mut self.recovering else { return };
        let latest = recovering.since + MAX_RECONNECTING.max(self.config.executor_reregistration_timeout);
        let until = (recovering.progress + self.config.executor_reregistration_timeout).min(latest);
        if until > cx.now.monotonic {
            return cx.arm(Timer::ExecutorReregistration, until);
        }
        let waiting = std::mem::take(&mut recovering.waiting);
        let timeout = format_duration(self.config.executor_reregistration_timeout);
        for container in waiting {
            let Some((framework_id, id)) = self.containers.get(&container).cloned() else { continue };
            let Some(framework) = self.frameworks.get_mut(&framework_id) else { continue };
            let gone =
                if is_partition_aware(&framework.snapshot.info) { TaskState::TaskGone } else { TaskState::TaskLost };
            let registering = |e: &&mut crate::state::Executor| e.state == ExecutorState::Registering;
            let Some(executor) = framework.executors.get_mut(&id).filter(registering) else { continue };
            tracing::warn!("ending executor {id:?} of framework {framework_id}: it has not come back within {timeout}");
            executor.pending_termination = Some(Termination {
                state: gone,
                reason: Reason::ExecutorReregistrationTimeout,
                message: format!("Executor did not reregister within {timeout}"),
            });
            executor.enter(ExecutorState::Terminating, &self.metrics);
            destroy(cx, &container);
            self.publish_executor(cx, &framework_id, &id);
        }
    }

    /// `--recover=cleanup`. Nobody is registered who could be told how the tasks end.
    pub(super) fn end_all_executors(&mut self, cx: &mut Context<'_>) {
        tracing::info!("cleaning up: what runs here is ended, and the next start is that of a new agent");
        self.master.state = RegistrationState::Terminating;
        let drivers = self.recovering.as_ref().map(|recovering| recovering.drivers.clone()).unwrap_or_default();
        for driver in drivers.values() {
            cx.send(driver, internal::ShutdownExecutorMessage::default());
        }
        let frameworks: Vec<FrameworkId> = self.frameworks.keys().cloned().collect();
        for framework in &frameworks {
            self.shutdown_framework(cx, framework);
        }
    }

    /// `None` while it is too early to care for masters.
    pub(crate) fn detected_after_recovery(
        &mut self,
        master: Option<Box<v1::MasterInfo>>,
    ) -> Option<Option<Box<v1::MasterInfo>>> {
        match &mut self.recovering {
            Some(recovering) => {
                recovering.detected = Some(master);
                None
            }
            None => Some(master),
        }
    }

    /// The recovery is over as soon as every executor is back or has ended. (Mesos always waits for the whole
    /// timeout: MESOS-7539.)
    pub(crate) fn finish_recovery_if_done(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(recovering) = &mut self.recovering else { return };
            let Some(container) = recovering.waiting.first().cloned() else { break };
            let owner = self.containers.get(&container);
            let executor = owner.and_then(|(framework, id)| self.frameworks.get(framework)?.executors.get(id));
            if executor.is_some_and(|executor| executor.state == ExecutorState::Registering) {
                return;
            }
            recovering.waiting.remove(&container);
        }
        if let Some(recovering) = self.recovering.take() {
            self.recovered(cx, recovering);
        }
    }

    fn recovered(&mut self, cx: &mut Context<'_>, recovering: Recovering) {
        cx.disarm(Timer::ExecutorReregistration);
        cx.disarm(Timer::ExecutorReconnect);
        let took = cx.now.monotonic.since(recovering.since);
        tracing::info!("finished recovery after {took:?}");
        self.metrics.recovered_after(took);
        if self.config.recover == Recover::Cleanup {
            return self.terminate_if_idle(cx);
        }
        self.kill_tasks_for_drain(cx);
        if let Some(detected) = recovering.detected {
            self.master_detected(cx, detected);
        }
    }
}
