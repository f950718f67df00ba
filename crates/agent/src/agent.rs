//! The agent as a whole: what it holds, and which module decides about which input.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::{Message, v1};
use vocabulary::{AgentId, ContainerId, ExecutorId, FrameworkId, Now, Random, StreamId, Upid};

use crate::change::{Change, Draining};
use crate::config::Config;
use crate::gc::Gc;
use crate::input::{Input, PeerMessage};
use crate::metrics::Metrics;
use crate::operations::{Held, Ledger, Oversubscription, RecoveredResources};
use crate::outbox::{Effect, Outbox, Timer};
use crate::recovery::Recovering;
use crate::registration::MasterLink;
use crate::state::Framework;
use crate::stores::{Stores, Waiting};
use crate::streams::Streams;

/// An agent. [`Agent::step`] is the only way in after [`Agent::start`].
#[derive(Debug)]
pub struct Agent {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) metrics: Arc<Metrics>,
    /// With an id once a master has given one.
    pub(crate) info: Arc<v1::AgentInfo>,
    /// Names this state of the agent's resources: a launch decided upon an older one is refused.
    pub(crate) resource_version: Vec<u8>,
    pub(crate) master: MasterLink,
    pub(crate) frameworks: BTreeMap<FrameworkId, Framework>,
    pub(crate) streams: Streams,
    pub(crate) stores: Stores,
    pub(crate) containers: BTreeMap<ContainerId, (FrameworkId, ExecutorId)>,
    pub(crate) http_executors: BTreeMap<StreamId, (FrameworkId, ExecutorId)>,
    pub(crate) heartbeat_armed: bool,
    pub(crate) drain: Option<Arc<Draining>>,
    pub(crate) ledger: Ledger,
    pub(crate) oversubscription: Oversubscription,
    pub(crate) gc: Gc,
    pub(crate) used: resources::Resources,
    pub(crate) batches: u64,
    /// Until the executors of an earlier process of this agent have come back or had their time.
    pub(crate) recovering: Option<Recovering>,
}

/// What every decision needs besides the state: the time it is made at, and where its effects go.
pub(crate) struct Step<'a> {
    pub now: Now,
    pub out: &'a mut Outbox,
}

impl Step<'_> {
    pub fn send(&mut self, to: &Upid, message: impl Into<Message>) {
        self.out.push(Effect::Send { to: to.clone(), message: message.into() });
    }

    pub fn arm(&mut self, timer: Timer, after: std::time::Duration) {
        self.out.push(Effect::Arm { timer, at: self.now.monotonic + after });
    }

    pub fn disarm(&mut self, timer: Timer) {
        self.out.push(Effect::Disarm(timer));
    }

    pub fn publish(&mut self, change: Change) {
        self.out.publish(change);
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
        let ledger = Ledger::new(config.resources.clone());
        let gc = Gc::new(config.gc_delay, config.gc_disk_headroom);
        Agent {
            config,
            random,
            metrics,
            info: Arc::new(info),
            resource_version,
            master: MasterLink::default(),
            frameworks: BTreeMap::new(),
            streams: Streams::default(),
            stores: Stores::default(),
            containers: BTreeMap::new(),
            http_executors: BTreeMap::new(),
            heartbeat_armed: false,
            drain: None,
            ledger,
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
        self.ledger = Ledger::recovered(&self.config.work_dir, &self.config.resources, found)?;
        self.metrics.set_total(self.ledger.total());
        self.drain = found.draining.clone();
        Ok(())
    }

    /// To be called once, after `recover` if there is something to recover, and before the first step.
    pub fn start(&mut self, now: Now, out: &mut Outbox) {
        let step = &mut Step { now, out };
        self.metrics.set_sandbox_age(self.gc.max_age());
        self.publish_agent(step);
        step.arm(Timer::DiskWatch, self.config.disk_watch_interval);
        self.resume_operations_of_recovery(step);
        self.start_oversubscription(step);
        self.recovered_if_settled(step);
    }

    pub fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let step = &mut Step { now, out };
        match input {
            Input::MasterDetected(master) => self.master_detected(step, master),
            Input::Message(message) => self.message(step, message),
            Input::Exited(address) => self.link_broke(step, address),
            Input::ExecutorSubscribe(subscribe) => self.executor_subscribes(step, subscribe),
            Input::ExecutorCall(call) => self.executor_calls(step, call),
            Input::StreamClosed(stream) => self.stream_closed(stream),
            Input::Container(event) => self.container_event(step, event),
            Input::Timer(timer) => self.timer(step, timer),
            Input::Stored(token) => {
                if let Some(waiting) = self.stores.confirmed(token) {
                    self.stored(step, waiting);
                }
            }
            // What runs goes on, and is found again by the next process on a disk that works.
            Input::StoreFailed(reason) => step.out.push(Effect::Terminate(reason)),
            Input::DiskUsage(usage) => self.disk_usage(step, usage),
            Input::Volumes { number, failed } => self.volumes_ready(step, number, failed),
            Input::Usage { due, usage } => self.usage_measured(step, &due, usage),
            Input::Unregister => self.unregister(step),
        }
        self.recovered_if_settled(step);
    }

    fn message(&mut self, step: &mut Step<'_>, PeerMessage { from, message, .. }: PeerMessage) {
        match message {
            // Frameworks send to executors and acknowledge directly, pings come from the master's observer, and
            // executors are no master: these check their senders themselves.
            Message::PingSlave(ping) => self.ping(step, &from, ping.connected),
            Message::FrameworkToExecutor(message) => self.framework_message(step, *message),
            Message::StatusUpdateAcknowledgement(message) => self.acknowledgement(step, &from, *message),
            Message::RegisterExecutor(message) => self.driver_registers(step, from, *message),
            Message::ReregisterExecutor(message) => self.driver_reregisters(step, from, *message),
            Message::StatusUpdate(message) => self.driver_updates(step, from, *message),
            Message::ExecutorToFramework(message) => self.driver_messages(step, *message),
            message if self.master.leads(&from) => self.in_turn(step, message),
            message => tracing::warn!("ignoring {} from {from}: not the leading master", message.name()),
        }
    }

    /// Some messages have to wait while the resources they are about change.
    fn in_turn(&mut self, step: &mut Step<'_>, message: Message) {
        match self.ledger.hold(message) {
            Err(message) => self.master_message(step, message),
            Ok(Held::Waits) => {}
            Ok(Held::TooMany) => {
                tracing::error!("too many messages wait for volumes to be ready: registering again");
                self.disconnect(step);
            }
        }
    }

    pub(crate) fn master_message(&mut self, step: &mut Step<'_>, message: Message) {
        match message {
            Message::SlaveRegistered(message) => self.registered(step, *message),
            Message::SlaveReregistered(message) => self.reregistered(step, *message),
            Message::RunTask(message) => self.run_task(step, *message),
            Message::RunTaskGroup(message) => self.run_task_group(step, *message),
            Message::KillTask(message) => self.kill_task(step, *message),
            Message::ShutdownExecutor(message) => self.shutdown_executor(step, *message),
            Message::ShutdownFramework(message) => self.shutdown_framework(step, &(&message.framework_id).into()),
            Message::UpdateFramework(message) => self.update_framework(step, *message),
            Message::Shutdown(message) => self.shutdown(step, message.message.as_deref()),
            Message::DrainSlave(message) => self.drain(step, message.config),
            Message::ApplyOperation(message) => self.apply_operation(step, *message),
            Message::CheckpointResources(message) => self.checkpoint_resources(step, &message),
            Message::AcknowledgeOperationStatus(message) => self.operation_acknowledged(step, &message),
            Message::ReconcileOperations(message) => self.reconcile_operations(step, *message),
            message => tracing::warn!("ignoring {}: an agent has no use for it", message.name()),
        }
    }

    fn timer(&mut self, step: &mut Step<'_>, timer: Timer) {
        match timer {
            Timer::Register => self.register(step),
            Timer::PingTimeout => self.ping_timeout(step),
            Timer::ExecutorRegistration(container) => self.executor_registration_timeout(step, &container),
            Timer::ExecutorShutdown(container) => self.executor_shutdown_timeout(step, &container),
            Timer::ExecutorHeartbeat => self.heartbeat(step),
            Timer::UpdateRetry(framework, task) => self.repeat_update(step, &framework, &task),
            Timer::OperationRetry(operation) => self.repeat_operation(step, operation),
            Timer::Oversubscription => self.estimate_due(step),
            Timer::QosCorrection => step.out.push(Effect::Measure(timer)),
            Timer::ExecutorReregistration => self.executors_had_their_time(step),
            Timer::ExecutorReconnect => self.ask_drivers_again(step),
            Timer::Gc => self.collect_garbage(step),
            Timer::DiskWatch => self.look_at_the_machine(step),
        }
    }

    fn stored(&mut self, step: &mut Step<'_>, waiting: Waiting) {
        match waiting {
            Waiting::AgentInfo => self.update_slave(step),
            Waiting::Batch { framework, executor, container, number } => {
                self.batch_stored(step, &framework, &executor, &container, number);
            }
            Waiting::Transition => self.change_volumes(step),
            Waiting::Resources { operation } => self.resources_stored(step, operation),
            Waiting::Update { framework, task, uuid } => self.update_stored(step, &framework, &task, &uuid),
            Waiting::Acknowledged { framework, task } => self.acknowledgement_stored(step, &framework, &task),
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
