//! Properties that hold after any sequence of inputs, in any order, with a disk that confirms late.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken promise fails the test")]

mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::{
    Agent, Command, Config, ContainerCall, ContainerCommand, ContainerEvent, ContainerExit, ContainerRequest, Effect,
    ExecutorCall, ExecutorSubscribe, Input, Limitation, LoadAverage, MachineUsage, Metrics, NestedContainerRequest,
    PeerMessage, QosController, Record, Timer, VolumeChange,
};
use machine::StoreToken;
use messages::v1::executor::call;
use messages::{Message, internal, v1};
use model::agent::Change;
use model::{ContainerId, FrameworkId, Monotonic, Now, ReplyId, StreamId, TaskId, Timestamp};
use proptest::prelude::*;
use resources::Resources;
use scenario::*;
use testkit::builders::{executor_id, peer_message, stream_id, task_id};
use testkit::core::{Environment, Harness, Inputs};

/// One random input. The numbers name tasks, executors and earlier entities. They are small, so that the inputs of a
/// sequence concern the same entities.
#[derive(Debug, Clone)]
enum Action {
    RunCommand(u8),
    RunCustom(u8, u8),
    RunGroup(u8, u8),
    LaunchHint(u8, u8, bool),
    Kill(u8),
    ShutdownExecutor(u8),
    ShutdownFramework,
    UpdateFramework(bool),
    Subscribe(u8, bool),
    Update(u8, u8, usize),
    Message(u8),
    Driver(u8),
    DriverUpdate(u8, usize),
    StreamClosed(u8),
    Launched(u8),
    LaunchFailed(u8),
    Exited(u8, bool),
    Acknowledge(u8),
    AcknowledgeNonsense(u8),
    Stored(u8),
    StoredAll,
    Timer(u8),
    Pass(u8),
    Master(bool),
    Registered,
    Ping(bool),
    LinkBroke,
    Disk(u8),
    Drain(bool),
    /// An operation of the master: the number of its kind and the number of its volume.
    Operate(u8, u8),
    RunWithVolume(u8, u8),
    VolumesReady,
    AcknowledgeOperation(u8),
    Load(u8),
    /// A launch in a container, of the number of a nested container.
    LaunchNested(u8, u8),
    SessionEnded(u8),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let n = 0..4u8;
    let act = prop_oneof![
        4 => n.clone().prop_map(Action::RunCommand),
        4 => (n.clone(), n.clone()).prop_map(|(t, e)| Action::RunCustom(t, e)),
        2 => (n.clone(), n.clone()).prop_map(|(t, e)| Action::RunGroup(t, e)),
        1 => (n.clone(), n.clone(), any::<bool>()).prop_map(|(t, e, l)| Action::LaunchHint(t, e, l)),
        3 => n.clone().prop_map(Action::Kill),
        1 => n.clone().prop_map(Action::ShutdownExecutor),
        1 => Just(Action::ShutdownFramework),
        1 => any::<bool>().prop_map(Action::UpdateFramework),
        6 => (0..8u8, any::<bool>()).prop_map(|(e, u)| Action::Subscribe(e, u)),
        8 => (0..8u8, n.clone(), 0..7usize).prop_map(|(e, t, s)| Action::Update(e, t, s)),
        1 => (0..8u8).prop_map(Action::Message),
        2 => n.clone().prop_map(Action::Driver),
        2 => (n.clone(), 0..7usize).prop_map(|(t, s)| Action::DriverUpdate(t, s)),
        1 => any::<u8>().prop_map(Action::StreamClosed),
        3 => any::<u8>().prop_map(Action::Launched),
        1 => any::<u8>().prop_map(Action::LaunchFailed),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(c, l)| Action::Exited(c, l)),
        5 => any::<u8>().prop_map(Action::Acknowledge),
        1 => n.clone().prop_map(Action::AcknowledgeNonsense),
        6 => any::<u8>().prop_map(Action::Stored),
        4 => Just(Action::StoredAll),
        3 => any::<u8>().prop_map(Action::Timer),
        1 => any::<u8>().prop_map(Action::Pass),
        1 => any::<bool>().prop_map(Action::Master),
        2 => Just(Action::Registered),
        1 => any::<bool>().prop_map(Action::Ping),
        1 => Just(Action::LinkBroke),
        1 => (0..=100u8).prop_map(Action::Disk),
        1 => any::<bool>().prop_map(Action::Drain),
        5 => (0..4u8, 0..3u8).prop_map(|(o, v)| Action::Operate(o, v)),
        3 => (n.clone(), 0..3u8).prop_map(|(t, v)| Action::RunWithVolume(t, v)),
        4 => Just(Action::VolumesReady),
        3 => any::<u8>().prop_map(Action::AcknowledgeOperation),
        1 => any::<u8>().prop_map(Action::Load),
        3 => (any::<u8>(), 0..3u8).prop_map(|(c, n)| Action::LaunchNested(c, n)),
        1 => any::<u8>().prop_map(Action::SessionEnded),
    ];
    proptest::collection::vec(act, 1..120)
}

const STATES: [v1::TaskState; 7] = [
    v1::TaskState::TaskStaging,
    v1::TaskState::TaskStarting,
    v1::TaskState::TaskRunning,
    v1::TaskState::TaskKilling,
    v1::TaskState::TaskFinished,
    v1::TaskState::TaskFailed,
    v1::TaskState::TaskKilled,
];

type TaskKey = (FrameworkId, TaskId);

/// An agent whose disk confirms late, driven by its [`Harness`].
struct World {
    core: Harness<Checks>,
    metrics: Arc<Metrics>,
    replies: u64,
    streams: Vec<StreamId>,
    operations: u8,
}

/// The observed behaviour of the agent, which decides what it may do next.
#[derive(Default)]
struct Checks {
    unanswered: BTreeSet<ReplyId>,
    containers: Vec<ContainerId>,
    live_containers: BTreeSet<ContainerId>,
    /// The containers that were started, and may run.
    started: BTreeSet<ContainerId>,
    /// The launches of nested containers that are not answered, which may take time.
    launches: BTreeMap<ReplyId, ContainerId>,
    tokens: BTreeSet<StoreToken>,
    durable_updates: BTreeSet<Vec<u8>>,
    durable_containers: BTreeSet<ContainerId>,
    in_flight: BTreeMap<TaskKey, Vec<u8>>,
    forwarded: Vec<(TaskKey, Vec<u8>)>,
    frameworks: BTreeSet<FrameworkId>,
    /// The operations whose status may be reported.
    durable_operations: BTreeSet<Vec<u8>>,
    /// The reported final statuses, by operation.
    reported_operations: BTreeMap<Vec<u8>, v1::Uuid>,
    /// The volumes on the disk, those that change now, and their changes.
    volumes: BTreeSet<PathBuf>,
    changing: Option<(u64, Vec<VolumeChange>)>,
    /// Whether a durable record says that volumes change.
    announced: bool,
    /// The operation that is finished once the volumes have changed and the change is durable.
    transition_of: Option<Vec<u8>>,
    committing: Option<Vec<u8>>,
}

impl Environment for Checks {
    type Machine = Agent;

    fn keep(&mut self, record: &Record) {
        match record {
            Record::Update { status, .. } => {
                self.durable_updates.insert(status.uuid.clone().unwrap_or_default());
            }
            Record::Resources { target: Some(_), operation, .. } => {
                self.announced = true;
                self.transition_of = operation.as_ref().map(|operation| operation.uuid.value.clone());
            }
            Record::Resources { target: None, operation, .. } => {
                let operation = operation.as_ref().map(|operation| operation.uuid.value.clone());
                self.durable_operations.extend(operation.or_else(|| self.committing.take()));
            }
            Record::Executor { container, .. } => {
                self.durable_containers.insert(container.clone());
            }
            _ => {}
        }
    }

    fn observe(&mut self, now: Now, effect: &Effect) -> Option<Input> {
        match effect {
            Effect::Reply { reply, .. } => {
                let answered = self.launches.remove(reply).is_some() || self.unanswered.remove(reply);
                assert!(answered, "{reply:?} is answered twice");
            }
            Effect::Store { token, record } => {
                if let Record::Acknowledged { framework, task, uuid } = record {
                    let acknowledged = self.in_flight.remove(&(framework.clone(), task.clone()));
                    assert!(acknowledged.is_none_or(|in_flight| in_flight == *uuid));
                }
                if let Record::UpdatesForgotten(id) = record {
                    // The updates of a removed framework are not acknowledged any more. The shutdown of a framework may
                    // wait for a change of volumes.
                    self.in_flight.retain(|(framework, _), _| framework != id);
                }
                if let Record::OperationDone { operation } = record {
                    self.reported_operations.remove(operation.as_bytes().as_slice());
                }
                assert!(self.tokens.insert(*token), "{token:?} is used twice");
            }
            Effect::Send { message: Message::StatusUpdate(message), .. } => {
                let update = &message.update;
                let key = (FrameworkId::from(&update.framework_id), TaskId::from(&update.status.task_id));
                let uuid = update.uuid.clone().expect("updates have a uuid");
                assert!(self.durable_updates.contains(&uuid), "{key:?} is forwarded before it is stored");
                let before = self.in_flight.insert(key.clone(), uuid.clone());
                assert!(before.is_none_or(|before| before == uuid), "two updates of {key:?} are in flight");
                self.forwarded.push((key, uuid));
            }
            Effect::Arm { at, .. } => assert!(*at >= now.monotonic),
            Effect::Command(Command::Container(ContainerCommand::Launch(launch))) => {
                assert!(self.durable_containers.contains(&launch.container), "started before it is stored");
                assert!(!self.containers.contains(&launch.container), "started twice");
                for volume in &launch.volumes {
                    assert!(self.volumes.contains(&volume.source), "started before its volume is made");
                }
                self.containers.push(launch.container.clone());
                self.live_containers.insert(launch.container.clone());
            }
            Effect::Command(Command::Container(ContainerCommand::LaunchNested(launch))) => {
                let parent = launch.container.parent().expect("only nested containers are launched");
                assert!(self.started.contains(&parent), "started before its parent");
                assert!(self.live_containers.insert(launch.container.clone()), "started twice");
            }
            Effect::Command(Command::Container(ContainerCommand::Update { container, .. })) => {
                assert!(self.live_containers.contains(container), "updated while it does not run");
            }
            Effect::Command(Command::Container(ContainerCommand::Destroy { container })) => {
                assert!(self.live_containers.contains(container), "destroyed while it does not run");
            }
            Effect::Command(Command::Volumes { number, changes }) => {
                assert!(std::mem::take(&mut self.announced), "the disk is touched before that is written down");
                assert!(self.changing.replace((*number, changes.clone())).is_none(), "two changes at a time");
            }
            Effect::Send { message: Message::UpdateOperationStatus(message), .. } if message.status.uuid.is_some() => {
                let operation = message.operation_uuid.clone().expect("operations have a uuid").value;
                assert!(self.durable_operations.contains(&operation), "told before it is durable");
                self.reported_operations.insert(operation, message.status.uuid.clone().expect("checked"));
            }
            Effect::Publish(Change::FrameworkAdded(framework)) => {
                self.frameworks.insert(framework.id.clone());
            }
            Effect::Publish(Change::FrameworkRemoved(id)) => {
                assert!(self.frameworks.remove(id));
            }
            _ => {}
        }
        None
    }
}

impl World {
    fn new(seed: u8) -> Self {
        let resources = Resources::parse("cpus:4;mem:4096;disk:40", "*").unwrap();
        let metrics = Arc::new(Metrics::default());
        let mut config = Config::new(upid(AGENT), "host", "/w", resources);
        config.qos = QosController { load_5min: Some(128.0), ..QosController::default() };
        let agent = Agent::new(config, [seed; 32], metrics.clone());
        let now = Now { monotonic: Monotonic::default(), wall: Timestamp::from_nanos(1) };
        let inputs = Inputs { timer: Input::Timer, stored: Input::Stored };
        let core = Harness::new(agent, Checks::default(), inputs, now);
        let mut world = World { core, metrics, replies: 0, streams: Vec::new(), operations: 0 };
        world.core.disk_is_slow = true;
        world.core.call(|agent, now, outbox| agent.start(now, outbox));
        world.act(Action::Master(true));
        world.act(Action::Timer(0));
        world.act(Action::Registered);
        world
    }

    fn input(&mut self, input: Input) {
        if let Input::Message(PeerMessage { message: Message::ShutdownFramework(_), .. }) = &input {
            // The updates of removed frameworks are not acknowledged any more.
            self.core.environment.in_flight.clear();
        }
        self.core.deliver(input);
        self.check();
    }

    /// Checks the properties that hold after each step.
    fn check(&mut self) {
        let unanswered = &self.core.environment.unanswered;
        assert!(unanswered.is_empty(), "no answer to {unanswered:?}");
        let live = &self.core.environment.live_containers;
        for id in self.core.environment.launches.values() {
            let parents = std::iter::successors(id.parent(), ContainerId::parent);
            let waits_for = std::iter::once(id.clone()).chain(parents);
            assert!(waits_for.into_iter().any(|id| live.contains(&id)), "the launch of {id} is not answered");
        }
        for (name, value) in self.metrics.iter() {
            assert!(value >= 0.0, "{name} is {value}");
        }
        // The records are not needed by these tests, and there are many.
        self.core.recorded.clear();
    }

    fn sends(&mut self, from: &str, message: impl Into<Message>) {
        self.input(Input::Message(peer_message(upid(from), "slave(1)", message)));
    }

    fn reply(&mut self) -> ReplyId {
        self.replies += 1;
        self.core.environment.unanswered.insert(ReplyId(self.replies));
        ReplyId(self.replies)
    }

    fn pick_container(&self, number: u8) -> Option<ContainerId> {
        let live: Vec<&ContainerId> = self.core.environment.live_containers.iter().collect();
        Some((*live.get(usize::from(number) % live.len().max(1))?).clone())
    }

    /// Takes a container that ends,. Nested containers may end after their parents.
    fn end_container(&mut self, number: u8) -> Option<ContainerId> {
        let container = self.pick_container(number)?;
        let environment = &mut self.core.environment;
        environment.live_containers.remove(&container);
        environment.started.remove(&container);
        Some(container)
    }

    fn act(&mut self, act: Action) {
        match act {
            Action::RunCommand(t) => self.sends(MASTER, run_task(command(&format!("t{t}")))),
            Action::RunCustom(t, e) => self.sends(MASTER, run_task(custom(&format!("t{t}"), &format!("e{e}")))),
            Action::RunGroup(t, e) => {
                let (a, b) = (format!("t{t}"), format!("g{t}"));
                self.sends(MASTER, run_group(&format!("e{e}"), &[&a, &b]));
            }
            Action::LaunchHint(t, e, hint) => {
                let message = run_task(custom(&format!("t{t}"), &format!("e{e}")));
                self.sends(MASTER, internal::RunTaskMessage { launch_executor: Some(hint), ..message });
            }
            Action::Kill(t) => {
                let task_id = task_id(format!("t{t}"));
                self.sends(
                    MASTER,
                    internal::KillTaskMessage { framework_id: framework_id(), task_id, kill_policy: None },
                );
            }
            Action::ShutdownExecutor(e) => {
                let executor_id = Some(executor_id(executor(e)));
                let framework_id = Some(framework_id());
                self.sends(MASTER, internal::ShutdownExecutorMessage { executor_id, framework_id });
            }
            Action::ShutdownFramework => {
                self.sends(MASTER, internal::ShutdownFrameworkMessage { framework_id: framework_id() });
            }
            Action::UpdateFramework(v0) => {
                let pid = Some(if v0 { SCHEDULER.to_owned() } else { "@0.0.0.0:0".to_owned() });
                let message =
                    internal::UpdateFrameworkMessage { framework_id: framework_id(), pid, framework_info: None };
                self.sends(MASTER, message);
            }
            Action::Subscribe(e, with_updates) => {
                let stream = stream_id(self.streams.len() as u128 + 1);
                self.streams.push(stream);
                let mut call = executor_call(&executor(e), call::Type::Subscribe);
                let mut subscribe = call::Subscribe::default();
                if with_updates {
                    subscribe.unacknowledged_tasks.push(task("t0"));
                    subscribe
                        .unacknowledged_updates
                        .push(call::Update { status: status("t0", v1::TaskState::TaskRunning) });
                }
                call.subscribe = Some(Box::new(subscribe));
                let reply = self.reply();
                self.input(Input::ExecutorSubscribe(ExecutorSubscribe {
                    caller: model::Caller::default(),
                    reply,
                    stream,
                    call: Box::new(call),
                }));
            }
            Action::Update(e, t, state) => {
                let mut call = executor_call(&executor(e), call::Type::Update);
                call.update = Some(Box::new(call::Update { status: status(&format!("t{t}"), STATES[state]) }));
                let reply = self.reply();
                self.input(Input::ExecutorCall(ExecutorCall {
                    caller: model::Caller::default(),
                    reply,
                    call: Box::new(call),
                }));
            }
            Action::Message(e) => {
                let mut call = executor_call(&executor(e), call::Type::Message);
                call.message = Some(call::Message { data: vec![1] });
                let reply = self.reply();
                self.input(Input::ExecutorCall(ExecutorCall {
                    caller: model::Caller::default(),
                    reply,
                    call: Box::new(call),
                }));
            }
            Action::Driver(e) => {
                let executor_id = executor_id(format!("e{e}"));
                self.sends(DRIVER, internal::RegisterExecutorMessage { framework_id: framework_id(), executor_id });
            }
            Action::DriverUpdate(t, state) => self.sends(DRIVER, driver_update(&format!("t{t}"), STATES[state])),
            Action::StreamClosed(number) => {
                if let Some(stream) = self.streams.get(usize::from(number) % self.streams.len().max(1)) {
                    self.input(Input::StreamClosed(*stream));
                }
            }
            Action::Launched(number) => {
                if let Some(container) = self.pick_container(number) {
                    self.core.environment.started.insert(container.clone());
                    self.input(Input::Container(ContainerEvent::Launched { container, pid: 1, networks: Vec::new() }));
                }
            }
            Action::LaunchFailed(number) => {
                if let Some(container) = self.end_container(number) {
                    let reason = "no".to_owned();
                    self.input(Input::Container(ContainerEvent::LaunchFailed { container, reason }));
                }
            }
            Action::Exited(number, limited) => {
                if let Some(container) = self.end_container(number) {
                    let limitation = limited.then(|| Limitation {
                        reason: v1::task_status::Reason::ContainerLimitationMemory,
                        message: "too much".to_owned(),
                        resources: Vec::new(),
                    });
                    let exit = ContainerExit { status: Some(0), limitation, ..Default::default() };
                    self.input(Input::Container(ContainerEvent::Exited { container, exit }));
                }
            }
            Action::Acknowledge(number) => {
                let forwarded = self
                    .core
                    .environment
                    .forwarded
                    .get(usize::from(number) % self.core.environment.forwarded.len().max(1));
                if let Some((key, uuid)) = forwarded.cloned() {
                    self.acknowledge(&key, uuid);
                }
            }
            Action::AcknowledgeNonsense(t) => {
                let key = (FrameworkId::new("F"), TaskId::new(format!("t{t}")));
                self.acknowledge(&key, vec![t; 16]);
            }
            Action::Stored(number) => {
                for _ in 0..usize::from(number) % 4 {
                    self.core.confirm_next();
                    self.check();
                }
            }
            Action::StoredAll => {
                for _ in 0..self.core.recorded.pending_stores.len() {
                    self.core.confirm_next();
                    self.check();
                }
            }
            Action::Timer(number) => {
                let timers: Vec<Timer> = self.core.recorded.timers.keys().cloned().collect();
                if let Some(timer) = timers.get(usize::from(number) % timers.len().max(1)) {
                    self.core.pass_until(timer.clone());
                    self.check();
                }
            }
            Action::Pass(seconds) => self.core.pass_frozen(Duration::from_secs(seconds.into())),
            Action::Master(leading) => {
                let info = v1::MasterInfo { id: "M".into(), pid: Some(MASTER.into()), ..Default::default() };
                self.input(Input::MasterDetected(leading.then(|| Box::new(info))));
            }
            Action::Registered => {
                let slave_id = agent_id();
                self.sends(MASTER, internal::SlaveRegisteredMessage { slave_id: slave_id.clone(), connection: None });
                self.sends(MASTER, internal::SlaveReregisteredMessage { slave_id, ..Default::default() });
            }
            Action::Ping(connected) => self.sends(OBSERVER, internal::PingSlaveMessage { connected }),
            Action::LinkBroke => self.input(Input::Exited(upid(MASTER).address)),
            Action::Disk(percent) => self.input(Input::DiskUsage(f64::from(percent) / 100.0)),
            Action::Operate(kind, number) => {
                self.operations = self.operations.wrapping_add(1);
                let volume = volume(&format!("v{number}"), 10);
                let operation = match kind {
                    0 | 1 => reserve(10),
                    2 => create(volume),
                    _ => destroy(volume),
                };
                self.sends(
                    MASTER,
                    internal::ApplyOperationMessage {
                        framework_id: Some(framework_id()),
                        operation_info: operation,
                        operation_uuid: operation_uuid(self.operations),
                        ..Default::default()
                    },
                );
            }
            Action::RunWithVolume(t, number) => {
                // Masters offer only existing resources.
                let volume = volume(&format!("v{number}"), 10);
                if self.core.environment.volumes.iter().any(|path| path.ends_with(format!("v{number}"))) {
                    let mut task = command(&format!("t{t}"));
                    for cpus in task.resources.iter_mut().filter(|resource| resource.name == "cpus") {
                        cpus.revocable = Some(v1::resource::RevocableInfo::default());
                    }
                    task.resources.push(volume);
                    self.sends(MASTER, run_task(task));
                }
            }
            Action::VolumesReady => {
                let Some((number, changes)) = self.core.environment.changing.take() else { return };
                for change in changes {
                    match change {
                        VolumeChange::Create { path } => drop(self.core.environment.volumes.insert(path)),
                        VolumeChange::Remove { path, .. } => {
                            assert!(self.core.environment.volumes.remove(&path), "deleted twice")
                        }
                    }
                }
                self.core.environment.committing = self.core.environment.transition_of.take();
                self.input(Input::Volumes { number, failed: None });
            }
            Action::AcknowledgeOperation(number) => {
                let told: Vec<_> = self.core.environment.reported_operations.clone().into_iter().collect();
                if let Some((operation, status)) = told.get(usize::from(number) % told.len().max(1)) {
                    self.acknowledge_operation(operation, status);
                }
            }
            Action::Load(five_minutes) => {
                let load = LoadAverage { five_minutes: f64::from(five_minutes), fifteen_minutes: 0.0 };
                let usage = MachineUsage { load: Some(load), ..MachineUsage::default() };
                self.input(Input::Usage { due: Timer::QosCorrection, usage });
            }
            Action::LaunchNested(parent, number) => {
                let Some(parent) = self.pick_container(parent) else { return };
                let Ok(container) = parent.child(&format!("n{number}")) else { return };
                let reply = ReplyId(self.replies + 1);
                self.replies += 1;
                self.core.environment.launches.insert(reply, container.clone());
                let request = NestedContainerRequest {
                    session: number == 2,
                    container,
                    command: None,
                    info: None,
                    resources: Vec::new(),
                    limits: Vec::new(),
                };
                let request = ContainerRequest::Launch(Box::new(request));
                self.input(Input::ContainerCall(ContainerCall { reply, caller: model::Caller::default(), request }));
            }
            Action::SessionEnded(number) => {
                if let Some(container) = self.pick_container(number)
                    && let Ok(session) = container.child("n2")
                {
                    self.input(Input::SessionEnded(session));
                }
            }
            Action::Drain(mark_gone) => {
                let config = v1::DrainConfig { max_grace_period: None, mark_gone: Some(mark_gone) };
                self.sends(MASTER, internal::DrainSlaveMessage { config });
            }
        }
    }

    fn acknowledge(&mut self, (framework, task): &TaskKey, uuid: Vec<u8>) {
        let message = internal::StatusUpdateAcknowledgementMessage {
            slave_id: agent_id(),
            framework_id: framework.to_proto(),
            task_id: task.to_proto(),
            uuid,
        };
        self.sends(MASTER, message);
    }

    fn acknowledge_operation(&mut self, operation: &[u8], status: &v1::Uuid) {
        self.sends(
            MASTER,
            internal::AcknowledgeOperationStatusMessage {
                status_uuid: status.clone(),
                operation_uuid: v1::Uuid { value: operation.to_vec() },
                resource_provider_id: None,
            },
        );
    }

    /// Ends the faults: the disk confirms, containers end, the framework acknowledges.
    fn settle(&mut self) {
        self.act(Action::Master(true));
        self.act(Action::Registered);
        for _ in 0..200 {
            self.act(Action::StoredAll);
            while !self.core.environment.live_containers.is_empty() {
                self.act(Action::Exited(0, false));
            }
            for (key, uuid) in self.core.environment.in_flight.clone() {
                self.acknowledge(&key, uuid);
            }
            self.act(Action::VolumesReady);
            for (operation, status) in self.core.environment.reported_operations.clone() {
                self.acknowledge_operation(&operation, &status);
            }
            // An operation that did not fit made the agent register again.
            self.act(Action::Registered);
            let idle = self.core.recorded.pending_stores.is_empty()
                && self.core.environment.changing.is_none()
                && self.core.environment.reported_operations.is_empty();
            if idle && self.core.environment.in_flight.is_empty() && self.core.environment.live_containers.is_empty() {
                return;
            }
        }
        panic!(
            "the agent does not settle: in flight {:?}, stores {:?}",
            self.core.environment.in_flight, self.core.recorded.pending_stores
        );
    }
}

/// Returns the name of an executor: the first four are named as command tasks, the others as custom executors.
fn executor(number: u8) -> String {
    if number < 4 { format!("t{number}") } else { format!("e{}", number - 4) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..Default::default() })]

    #[test]
    fn invariants_hold_and_everything_settles(seed in any::<u8>(), actions in actions()) {
        let mut world = World::new(seed);
        for act in actions {
            world.act(act);
        }
        world.settle();
        let launches = &world.core.environment.launches;
        prop_assert!(launches.is_empty(), "no answer to the launches of {:?}", launches);
        prop_assert!(world.core.environment.frameworks.is_empty(), "left: {:?}", world.core.environment.frameworks);
        let left_over = |name: &str| name.contains("_used") || name.ends_with("ing") && name != "gc/path_removals_pending";
        for (name, value) in world.metrics.iter() {
            prop_assert!(!left_over(&name) || value == 0.0, "{} is {}", name, value);
        }
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_effects(seed in any::<u8>(), actions in actions()) {
        let run = || {
            let mut world = World::new(seed);
            for act in actions.clone() {
                world.act(act);
            }
            format!("{:?} {:?} {:?}", world.core.environment.forwarded, world.core.environment.containers, world.core.recorded.timers)
        };
        prop_assert_eq!(run(), run());
    }
}
