//! The agent as a whole: what it holds, and which module decides about which input.

use std::collections::BTreeMap;
use std::sync::Arc;

use machine::StateMachine;
use messages::{Message, v1};
use model::{AgentId, ContainerId, ExecutorId, FrameworkId, Now, Random, StreamId};

use crate::config::Config;
use crate::effects::{AgentEffects, Command, Context, Outbox, Timer};
use crate::gc::Gc;
use crate::input::{Input, PeerMessage};
use crate::metrics::Metrics;
use crate::operations::{AgentResources, Deferred, Oversubscription, RecoveredResources};
use crate::pending_writes::{Continuation, PendingWrites};
use crate::recovery::Recovering;
use crate::registration::MasterConnection;
use crate::state::Framework;
use crate::status_update_manager::StatusUpdateManager;
use model::agent::Draining;

/// An agent. [`Agent::step`] is the only way in after [`Agent::start`].
#[derive(Debug)]
pub struct Agent {
    pub(crate) config: Config,
    /// The id of its libprocess process.
    pub(crate) process: Arc<str>,
    pub(crate) random: Random,
    pub(crate) metrics: Arc<Metrics>,
    /// With an id once a master has given one.
    pub(crate) info: Arc<v1::AgentInfo>,
    /// Names this state of the agent's resources: a launch decided upon an older one is refused.
    pub(crate) resource_version: Vec<u8>,
    pub(crate) master: MasterConnection,
    pub(crate) frameworks: BTreeMap<FrameworkId, Framework>,
    pub(crate) status_update_manager: StatusUpdateManager,
    pub(crate) pending_writes: PendingWrites,
    pub(crate) containers: BTreeMap<ContainerId, (FrameworkId, ExecutorId)>,
    pub(crate) http_executors: BTreeMap<StreamId, (FrameworkId, ExecutorId)>,
    pub(crate) heartbeat_armed: bool,
    pub(crate) drain: Option<Arc<Draining>>,
    pub(crate) agent_resources: AgentResources,
    pub(crate) oversubscription: Oversubscription,
    pub(crate) gc: Gc,
    pub(crate) used: resources::Resources,
    pub(crate) batches: u64,
    /// Until the executors of an earlier process of this agent have come back or had their time.
    pub(crate) recovering: Option<Recovering>,
}

impl StateMachine for Agent {
    type Input = Input;
    type Effects = AgentEffects;

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let process = self.process.clone();
        let cx = &mut Context::new(now, &process, out);
        match input {
            Input::MasterDetected(master) => self.master_detected(cx, master),
            Input::Message(message) => self.message(cx, message),
            Input::Exited(address) => self.master_link_broken(cx, address),
            Input::ExecutorSubscribe(subscribe) => self.executor_subscribes(cx, subscribe),
            Input::ExecutorCall(call) => self.executor_calls(cx, call),
            Input::StreamClosed(stream) => self.stream_closed(stream),
            Input::Container(event) => self.container_event(cx, event),
            Input::Timer(timer) => self.timer(cx, timer),
            Input::Stored(token) => {
                if let Some(continuation) = self.pending_writes.take_continuation(token) {
                    self.continue_after_write(cx, continuation);
                }
            }
            // What runs goes on, and is found again by the next process on a disk that works.
            Input::StoreFailed(reason) => cx.command(Command::Terminate(reason)),
            Input::DiskUsage(usage) => self.disk_usage(cx, usage),
            Input::Volumes { number, failed } => self.volumes_ready(cx, number, failed),
            Input::Usage { due, usage } => self.usage_measured(cx, &due, usage),
            Input::Unregister => self.unregister(cx),
        }
        self.finish_recovery_if_done(cx);
    }
}

impl Agent {
    pub fn new(config: Config, seed: [u8; 32], metrics: Arc<Metrics>) -> Self {
        let mut random = Random::from_seed(seed);
        let resource_version = random.uuid().as_bytes().to_vec();
        let info = v1::AgentInfo {
            checkpoint: Some(true),
            hostname: config.hostname.clone(),
            resources: config.resources.to_proto(),
            attributes: config.attributes.clone(),
            id: None,
            port: Some(i32::from(config.pid.address.port())),
            domain: config.domain.clone().map(Box::new),
        };
        metrics.set_total(&config.resources);
        let agent_resources = AgentResources::new(config.resources.clone());
        let gc = Gc::new(config.gc_delay, config.gc_disk_headroom);
        Agent {
            process: config.pid.id.clone(),
            config,
            random,
            metrics,
            info: Arc::new(info),
            resource_version,
            master: MasterConnection::default(),
            frameworks: BTreeMap::new(),
            status_update_manager: StatusUpdateManager::default(),
            pending_writes: PendingWrites::default(),
            containers: BTreeMap::new(),
            http_executors: BTreeMap::new(),
            heartbeat_armed: false,
            drain: None,
            agent_resources,
            oversubscription: Oversubscription::default(),
            gc,
            used: resources::Resources::new(),
            batches: 0,
            recovering: None,
        }
    }

    /// Takes up the resources, operations and draining of an earlier process of this agent, before `start`. An error when
    /// the flags no longer contain the resources that operations were applied to.
    pub fn recover_resources(&mut self, found: &RecoveredResources) -> Result<(), resources::Error> {
        self.agent_resources = AgentResources::recovered(&self.config.work_dir, &self.config.resources, found)?;
        self.metrics.set_total(self.agent_resources.total());
        self.drain = found.draining.clone();
        Ok(())
    }

    /// To be called once, after `recover` if there is something to recover, and before the first step.
    pub fn start(&mut self, now: Now, out: &mut Outbox) {
        let process = self.process.clone();
        let cx = &mut Context::new(now, &process, out);
        self.metrics.set_sandbox_age(self.gc.max_age());
        self.publish_agent(cx);
        cx.arm_after(Timer::DiskWatch, self.config.disk_watch_interval);
        self.resume_recovered_operations(cx);
        self.start_oversubscription(cx);
        self.finish_recovery_if_done(cx);
    }

    fn message(&mut self, cx: &mut Context<'_>, PeerMessage { from, message, .. }: PeerMessage) {
        match message {
            // Frameworks send to executors and acknowledge directly, pings come from the master's observer, and
            // executors are no master: these check their senders themselves.
            Message::PingSlave(ping) => self.ping(cx, &from, ping.connected),
            Message::FrameworkToExecutor(message) => self.framework_message(cx, *message),
            Message::StatusUpdateAcknowledgement(message) => self.acknowledgement(cx, &from, *message),
            Message::RegisterExecutor(message) => self.driver_registers(cx, from, *message),
            Message::ReregisterExecutor(message) => self.driver_reregisters(cx, from, *message),
            Message::StatusUpdate(message) => self.driver_updates(cx, from, *message),
            Message::ExecutorToFramework(message) => self.driver_messages(cx, *message),
            message if self.master.leads(&from) => self.handle_or_defer(cx, message),
            message => tracing::warn!("ignoring {} from {from}: not the leading master", message.name()),
        }
    }

    /// Some messages have to wait while the resources they are about change.
    fn handle_or_defer(&mut self, cx: &mut Context<'_>, message: Message) {
        match self.agent_resources.defer(message) {
            Err(message) => self.master_message(cx, message),
            Ok(Deferred::Queued) => {}
            Ok(Deferred::TooMany) => {
                tracing::error!("too many messages wait for volumes to be ready: registering again");
                self.disconnect(cx);
            }
        }
    }

    pub(crate) fn master_message(&mut self, cx: &mut Context<'_>, message: Message) {
        match message {
            Message::SlaveRegistered(message) => self.registered(cx, *message),
            Message::SlaveReregistered(message) => self.reregistered(cx, *message),
            Message::RunTask(message) => self.run_task(cx, *message),
            Message::RunTaskGroup(message) => self.run_task_group(cx, *message),
            Message::KillTask(message) => self.kill_task(cx, *message),
            Message::ShutdownExecutor(message) => self.shutdown_executor(cx, *message),
            Message::ShutdownFramework(message) => self.shutdown_framework(cx, &(&message.framework_id).into()),
            Message::UpdateFramework(message) => self.update_framework(cx, *message),
            Message::Shutdown(message) => self.shutdown(cx, message.message.as_deref()),
            Message::DrainSlave(message) => self.drain(cx, message.config),
            Message::ApplyOperation(message) => self.apply_operation(cx, *message),
            Message::CheckpointResources(message) => self.checkpoint_resources(cx, &message),
            Message::AcknowledgeOperationStatus(message) => self.operation_acknowledged(cx, &message),
            Message::ReconcileOperations(message) => self.reconcile_operations(cx, *message),
            message => tracing::warn!("ignoring {}: an agent has no use for it", message.name()),
        }
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: Timer) {
        match timer {
            Timer::Register => self.register(cx),
            Timer::PingTimeout => self.ping_timeout(cx),
            Timer::ExecutorRegistration(container) => self.executor_registration_timeout(cx, &container),
            Timer::ExecutorShutdown(container) => self.executor_shutdown_timeout(cx, &container),
            Timer::ExecutorHeartbeat => self.heartbeat(cx),
            Timer::UpdateRetry(framework, task) => self.retry_update(cx, &framework, &task),
            Timer::OperationRetry(operation) => self.retry_operation(cx, operation),
            Timer::Oversubscription => self.estimate_due(cx),
            Timer::QosCorrection => cx.command(Command::Measure(timer)),
            Timer::ExecutorReregistration => self.reregister_executor_timeout(cx),
            Timer::ExecutorReconnect => self.send_reconnect_executor(cx),
            Timer::Gc => self.collect_garbage(cx),
            Timer::DiskWatch => self.disk_watch_due(cx),
        }
    }

    fn continue_after_write(&mut self, cx: &mut Context<'_>, continuation: Continuation) {
        match continuation {
            Continuation::AgentInfo => self.update_slave(cx),
            Continuation::Batch { framework, executor, container, number } => {
                self.batch_stored(cx, &framework, &executor, &container, number);
            }
            Continuation::Transition => self.change_volumes(cx),
            Continuation::Resources { operation } => self.resources_stored(cx, operation),
            Continuation::Update { framework, task, uuid } => self.update_stored(cx, &framework, &task, &uuid),
            Continuation::Acknowledged { framework, task } => self.acknowledgement_stored(cx, &framework, &task),
        }
    }

    /// The agent's id. Without one no task can be addressed to it.
    pub(crate) fn id(&self) -> Option<AgentId> {
        self.info.id.as_ref().map(AgentId::from)
    }

    pub(crate) fn agent_id(&self) -> v1::AgentId {
        self.info.id.clone().unwrap_or_default()
    }
}
