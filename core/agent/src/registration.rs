//! Finding a master, registering with it, and noticing that it is gone.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use messages::internal::update_slave_message::Operations;
use messages::{internal, v1};
use model::{AgentId, FrameworkId, TaskId, Upid};
use resources::Resources;

use crate::agent::Agent;
use crate::effects::{Command, Context, Record, Timer};
use crate::pending_writes::Continuation;
use crate::state::dropped_state;
use crate::updates::AgentGenerated;
use model::agent::{Change, ExecutorState};

/// Mesos' `REGISTER_RETRY_INTERVAL_MAX`.
const REGISTER_RETRY_MAX: Duration = Duration::from_secs(60);
/// Five pings of fifteen seconds, unless the master says otherwise.
const PING_TIMEOUT: Duration = Duration::from_secs(75);

/// Registrations that may be without an answer in a cluster that is well.
const FEW_REGISTRATIONS: u32 = 4;

/// Why a master would refuse an agent with this domain without an answer (`Master::registerSlave` in Mesos).
fn refusal_hint(domain: Option<&v1::DomainInfo>) -> &'static str {
    match domain {
        Some(_) => {
            "either it cannot be reached, or it refuses this agent because of its --domain, which only a master with a \
             --domain of its own accepts; the master's log says which"
        }
        None => {
            "either it cannot be reached, or it refuses this agent, as a master with --require_agent_domain does with \
             agents without --domain; the master's log says which"
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegistrationState {
    Disconnected,
    Registered,
    /// Nothing new is accepted; the process ends when the last framework is gone.
    Terminating,
}

#[derive(Debug)]
pub(crate) struct MasterConnection {
    leader: Option<Leader>,
    pub state: RegistrationState,
    /// The bound of the next random wait between two registrations.
    backoff: Duration,
    /// Registrations sent to this master without an answer.
    unanswered: u32,
    ping_timeout: Duration,
    /// Why the agent terminates, and whether it has said so.
    termination_reason: String,
    terminated: bool,
}

#[derive(Debug)]
struct Leader {
    info: Box<v1::MasterInfo>,
    pid: Upid,
}

impl Default for MasterConnection {
    fn default() -> Self {
        MasterConnection {
            leader: None,
            state: RegistrationState::Disconnected,
            backoff: Duration::ZERO,
            unanswered: 0,
            ping_timeout: PING_TIMEOUT,
            termination_reason: String::new(),
            terminated: false,
        }
    }
}

impl MasterConnection {
    /// Only the leading master is obeyed: a deposed one may still believe in itself.
    pub fn leads(&self, from: &Upid) -> bool {
        self.pid() == Some(from)
    }

    pub fn pid(&self) -> Option<&Upid> {
        self.leader.as_ref().map(|leader| &leader.pid)
    }

    pub fn is_registered(&self) -> bool {
        self.state == RegistrationState::Registered
    }
}

impl Agent {
    pub(crate) fn master_detected(&mut self, cx: &mut Context<'_>, master: Option<Box<v1::MasterInfo>>) {
        // What runs here is only known when the executors are back, and that is what a registration says.
        let Some(master) = self.detected_after_recovery(master) else { return };
        let before = self.master.pid().map(|pid| pid.address);
        self.master.leader = master.and_then(|info| match pid_of(&info) {
            Some(pid) => Some(Leader { info, pid }),
            None => {
                tracing::error!("ignoring a master without a usable address: {} at '{}'", info.id, info.pid());
                None
            }
        });
        let after = self.master.pid().map(|pid| pid.address);
        if let Some(address) = before.filter(|address| Some(*address) != after) {
            cx.unlink(address);
        }
        match self.master.pid() {
            Some(pid) => tracing::info!("new master detected at {pid}"),
            None => tracing::info!("lost the leading master"),
        }
        self.disconnect(cx);
    }

    /// The connection to the master is of no use any more: register (again) with whoever leads now.
    pub(crate) fn disconnect(&mut self, cx: &mut Context<'_>) {
        self.renew_resource_version();
        if self.master.state != RegistrationState::Terminating {
            self.master.state = RegistrationState::Disconnected;
        }
        self.metrics.registered.set(0);
        for (framework, task) in self.status_update_manager.pause() {
            cx.disarm(Timer::UpdateRetry(framework, task));
        }
        self.pause_operations(cx);
        self.agent_resources.drop_deferred();
        cx.disarm(Timer::Register);
        cx.disarm(Timer::PingTimeout);
        self.publish_agent(cx);
        if self.master.leader.is_some() && self.master.state == RegistrationState::Disconnected {
            // A random wait: after a failover thousands of agents detect the new master at once.
            let factor = self.config.registration_backoff_factor;
            self.master.backoff = factor.saturating_mul(2);
            self.master.unanswered = 0;
            let wait = factor.mul_f64(self.random.unit());
            cx.arm_after(Timer::Register, wait);
        }
    }

    pub(crate) fn register(&mut self, cx: &mut Context<'_>) {
        let Some(master) = self.master.pid().cloned() else { return };
        if self.master.state != RegistrationState::Disconnected {
            return;
        }
        cx.link(master.address);
        self.report_silence(&master);
        // What a registration says about operations must be true after a crash as well. They take a moment.
        if self.agent_resources.is_durable() {
            if self.info.id.is_none() {
                cx.send(&master, self.register_message());
            } else {
                cx.send(&master, self.reregister_message());
            }
            self.master.unanswered = self.master.unanswered.saturating_add(1);
        }
        let bound = self.master.backoff.min(REGISTER_RETRY_MAX);
        self.master.backoff = bound.saturating_mul(2);
        let wait = bound.mul_f64(self.random.unit());
        cx.arm_after(Timer::Register, wait);
    }

    /// A master does not answer an agent that it refuses (as in Mesos): only its own log has the reason. An operator looks
    /// into the agent's log first. Said after 4, 8, 16… registrations.
    fn report_silence(&self, master: &Upid) {
        let count = self.master.unanswered;
        if count >= FEW_REGISTRATIONS && count.is_power_of_two() {
            let hint = refusal_hint(self.config.domain.as_ref());
            tracing::warn!("the master at {master} has not answered {count} registrations: {hint}");
        }
    }

    fn register_message(&self) -> internal::RegisterSlaveMessage {
        internal::RegisterSlaveMessage {
            slave: (*self.info).clone(),
            version: Some(self.config.version.clone()),
            checkpointed_resources: self.agent_resources.checkpointed(),
            agent_capabilities: self.capabilities(),
            resource_version_uuid: Some(self.resource_version()),
        }
    }

    /// A task as its framework gets to see it: updates that were made while no master was there are forwarded next. A
    /// master that took its latest state for told would answer a reconciliation with the end of the task, and forward
    /// its beginning later (as Mesos does). What is not durable yet is not told: were it lost in a crash, the framework
    /// would have heard of an end that never was.
    fn as_forwarded(&self, framework: &FrameworkId, id: &TaskId, task: &v1::Task) -> v1::Task {
        let mut task = task.clone();
        if let Some(durable) = self.status_update_manager.durable_state(framework, id) {
            task.state = durable as i32;
        }
        if let Some(next) = self.status_update_manager.next(framework, id) {
            task.status_update_state = Some(next.status.state);
            task.status_update_uuid.clone_from(&next.uuid);
        }
        task
    }

    /// Everything a new master needs to know what runs here: it keeps no tasks on its disk.
    fn reregister_message(&self) -> internal::ReregisterSlaveMessage {
        let mut message = internal::ReregisterSlaveMessage {
            slave: (*self.info).clone(),
            version: Some(self.config.version.clone()),
            checkpointed_resources: self.agent_resources.checkpointed(),
            agent_capabilities: self.capabilities(),
            resource_version_uuid: Some(self.resource_version()),
            ..Default::default()
        };
        for framework in self.frameworks.values() {
            message.frameworks.push((*framework.snapshot.info).clone());
            for executor in framework.executors.values() {
                message.tasks.extend(
                    executor.tasks.iter().map(|(id, task)| self.as_forwarded(&framework.snapshot.id, id, task)),
                );
                // The master makes up the executors of commands by itself.
                if !executor.command_task && executor.state != ExecutorState::Terminated {
                    message.executor_infos.push((*executor.info).clone());
                }
            }
        }
        message
    }

    pub(crate) fn registered(&mut self, cx: &mut Context<'_>, message: internal::SlaveRegisteredMessage) {
        match self.master.state {
            RegistrationState::Disconnected => {
                // A repeated registration is answered with the id given first; another one means that two agents
                // pass for one, and neither may go on.
                if self.info.id.as_ref().is_some_and(|id| *id != message.slave_id) {
                    return self.wrong_id(cx, &message.slave_id);
                }
                Arc::make_mut(&mut self.info).id = Some(message.slave_id);
                tracing::info!("registered as {}", self.agent_id().value);
                self.connect(cx, message.connection.as_ref());
                let record = Record::AgentInfo(self.info.clone());
                self.pending_writes.store_then(cx, record, Continuation::AgentInfo);
            }
            RegistrationState::Registered if self.agent_id() != message.slave_id => {
                self.wrong_id(cx, &message.slave_id)
            }
            RegistrationState::Registered => self.update_slave(cx),
            RegistrationState::Terminating => {}
        }
    }

    pub(crate) fn reregistered(&mut self, cx: &mut Context<'_>, message: internal::SlaveReregisteredMessage) {
        if self.agent_id() != message.slave_id {
            return self.wrong_id(cx, &message.slave_id);
        }
        match self.master.state {
            RegistrationState::Terminating => return,
            RegistrationState::Disconnected => {
                tracing::info!("re-registered as {}", self.agent_id().value);
                self.connect(cx, message.connection.as_ref());
            }
            RegistrationState::Registered => {}
        }
        let missing: Vec<_> = message.reconciliations.iter().map(|asked| self.missing_tasks(asked)).collect();
        if missing.iter().any(|(_, tasks, _)| !tasks.is_empty()) {
            // They are about to be told as dropped, and must not come after all.
            self.renew_resource_version();
        }
        self.update_slave(cx);
        for (framework, tasks, state) in missing {
            for task in tasks {
                let report = AgentGenerated {
                    state,
                    reason: v1::task_status::Reason::Reconciliation,
                    message: "Reconciliation: task unknown to the agent".to_owned(),
                    limitation: Vec::new(),
                };
                self.send_generated_for_unknown_task(cx, &framework, &task, report);
            }
        }
    }

    fn connect(&mut self, cx: &mut Context<'_>, connection: Option<&internal::MasterSlaveConnection>) {
        let seconds = connection.and_then(|c| c.total_ping_timeout_seconds);
        // Whatever a master sends, the wait stays a sane number.
        let seconds = seconds.filter(|s| s.is_finite() && *s >= 1.0).map(|s| s.min(1e6));
        self.master.ping_timeout = seconds.map_or(PING_TIMEOUT, Duration::from_secs_f64);
        self.master.state = RegistrationState::Registered;
        self.metrics.registered.set(1);
        cx.disarm(Timer::Register);
        cx.arm_after(Timer::PingTimeout, self.master.ping_timeout);
        self.publish_agent(cx);
        for (framework, task) in self.status_update_manager.resume() {
            self.forward_next(cx, &framework, &task);
        }
    }

    /// Tells the master what its registration does not carry: the version of the resources, operations, and what can be
    /// oversubscribed.
    pub(crate) fn update_slave(&mut self, cx: &mut Context<'_>) {
        let Some(master) = self.master.pid().cloned() else { return };
        let oversubscribed = self.oversubscription.total();
        let message = internal::UpdateSlaveMessage {
            slave_id: self.agent_id(),
            update_oversubscribed_resources: Some(oversubscribed.is_some()),
            oversubscribed_resources: oversubscribed.map(Resources::to_proto).unwrap_or_default(),
            resource_version_uuid: Some(self.resource_version()),
            operations: Some(Box::new(Operations { operations: self.agent_resources.report_operations() })),
            resource_providers: Some(Box::default()),
        };
        cx.send(&master, message);
        self.resume_operations(cx);
    }

    /// Tasks that the master believes to be here, and that this agent did not list, have never arrived. What is told of
    /// them follows.
    fn missing_tasks(&self, message: &internal::ReconcileTasksMessage) -> (FrameworkId, Vec<TaskId>, v1::TaskState) {
        let framework = FrameworkId::from(&message.framework_id);
        let is_missing = |task: &TaskId| {
            let known = self.frameworks.get(&framework).is_some_and(|f| f.tasks.contains_key(task));
            !known
                && !self.status_update_manager.has(&framework, task)
                && !self.agent_resources.has_deferred_task(framework.as_str(), task.as_str())
        };
        let tasks = message.statuses.iter().map(|status| TaskId::from(&status.task_id)).filter(is_missing).collect();
        let state = message.framework.as_deref().map_or(v1::TaskState::TaskLost, dropped_state);
        (framework, tasks, state)
    }

    /// Pings come from the master's observer of this agent, and the pong goes back to it.
    pub(crate) fn ping(&mut self, cx: &mut Context<'_>, from: &Upid, connected: bool) {
        cx.send(from, internal::PongSlaveMessage {});
        if !self.master.is_registered() {
            return;
        }
        if connected {
            cx.arm_after(Timer::PingTimeout, self.master.ping_timeout);
        } else {
            tracing::warn!("the master has lost the connection to this agent: registering again");
            self.disconnect(cx);
        }
    }

    pub(crate) fn ping_timeout(&mut self, cx: &mut Context<'_>) {
        if self.master.is_registered() {
            tracing::warn!("no ping from the master in {:?}: registering again", self.master.ping_timeout);
            self.disconnect(cx);
        }
    }

    /// A Mesos agent waits for the ping timeout here, which costs up to 75 s after each restart of a standalone
    /// master. Registering again at once is harmless: the broken link disconnects us at the master's side as well.
    pub(crate) fn master_link_broken(&mut self, cx: &mut Context<'_>, address: SocketAddrV4) {
        if self.master.is_registered() && self.master.pid().is_some_and(|pid| pid.address == address) {
            tracing::warn!("the link to the master broke: registering again");
            self.disconnect(cx);
        }
    }

    pub(crate) fn unregister(&mut self, cx: &mut Context<'_>) {
        if let (Some(master), Some(_)) = (self.master.pid().cloned(), self.id()) {
            cx.send(&master, internal::UnregisterSlaveMessage { slave_id: self.agent_id() });
        }
        self.terminate(cx, "unregistered at the operator's request");
    }

    pub(crate) fn shutdown(&mut self, cx: &mut Context<'_>, message: Option<&str>) {
        let reason = message.filter(|m| !m.is_empty()).unwrap_or("no reason given");
        self.terminate(cx, &format!("the master asked this agent to shut down: {reason}"));
    }

    fn wrong_id(&mut self, cx: &mut Context<'_>, got: &v1::AgentId) {
        let reason = format!(
            "the master calls this agent '{}', but it is '{}': two agents use one work directory or identity",
            got.value,
            self.agent_id().value
        );
        cx.command(Command::Terminate(reason));
    }

    /// Ends everything that runs; the process is done when the last framework is gone.
    fn terminate(&mut self, cx: &mut Context<'_>, reason: &str) {
        if self.master.state == RegistrationState::Terminating {
            return;
        }
        tracing::info!("terminating: {reason}");
        self.master.state = RegistrationState::Terminating;
        self.master.termination_reason = reason.to_owned();
        self.metrics.registered.set(0);
        cx.disarm(Timer::Register);
        cx.disarm(Timer::PingTimeout);
        let frameworks: Vec<FrameworkId> = self.frameworks.keys().cloned().collect();
        for framework in &frameworks {
            self.shutdown_framework(cx, framework);
        }
        self.terminate_if_idle(cx);
    }

    pub(crate) fn terminate_if_idle(&mut self, cx: &mut Context<'_>) {
        if self.master.state == RegistrationState::Terminating && self.frameworks.is_empty() && !self.master.terminated
        {
            self.master.terminated = true;
            // Mesos removes the link to its latest state here: the next start is that of a new agent.
            self.pending_writes.store(cx, Record::Reset);
            cx.command(Command::Terminate(self.master.termination_reason.clone()));
        }
    }

    pub(crate) fn publish_agent(&mut self, cx: &mut Context<'_>) {
        let change = Change::Agent {
            info: self.info.clone(),
            total: self.agent_resources.total().clone(),
            master: self.master.leader.as_ref().map(|leader| leader.info.clone()),
            registered: self.master.is_registered(),
            draining: self.drain.clone(),
        };
        cx.publish(change);
    }

    fn capabilities(&self) -> Vec<v1::agent_info::Capability> {
        let of = |kind: &v1::agent_info::capability::Type| v1::agent_info::Capability { r#type: Some(*kind as i32) };
        self.config.capabilities.iter().map(of).collect()
    }

    /// What a connection that broke still holds was decided upon a state that the master has left since: it may have
    /// told frameworks that these tasks are gone, and may offer the same again. (Mesos runs them.) Of the resource
    /// version that the master is told next they know nothing.
    pub(crate) fn renew_resource_version(&mut self) {
        self.resource_version = self.random.uuid().as_bytes().to_vec();
    }

    fn resource_version(&self) -> v1::Uuid {
        v1::Uuid { value: self.resource_version.clone() }
    }

    /// Whether a message names this agent.
    pub(crate) fn is_me(&self, id: &v1::AgentId) -> bool {
        self.id() == Some(AgentId::from(id))
    }
}

/// `pid` where the detector gives one, else the master's process at its address. `ip` is the address as it lies in
/// memory in network order, read on a little-endian machine.
fn pid_of(info: &v1::MasterInfo) -> Option<Upid> {
    if let Some(pid) = info.pid.as_deref().and_then(|pid| pid.parse().ok()) {
        return Some(pid);
    }
    let named = info.address.as_ref().and_then(|address| {
        let ip: Ipv4Addr = address.ip.as_deref()?.parse().ok()?;
        Some(SocketAddrV4::new(ip, u16::try_from(address.port).ok()?))
    });
    let address = match named {
        Some(address) => address,
        None => SocketAddrV4::new(Ipv4Addr::from(info.ip.to_le_bytes()), u16::try_from(info.port).ok()?),
    };
    (address.port() != 0).then(|| Upid::new("master", address))
}
