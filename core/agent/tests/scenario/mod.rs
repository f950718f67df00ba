//! Scenarios step by step: inputs to an agent, and its effects line by line.
//!
//! Names stand for random ids: `C1` is the first container, `U1` the first update.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario that cannot go on fails its test"
)]

mod format;

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use agent::{
    Agent, Command, Config, ContainerCommand, ContainerEvent, ContainerExit, Effect, ExecutorCall, ExecutorSubscribe,
    Input, Limitation, Metrics, Outbox, PeerMessage, Timer,
};
use machine::{StateMachine, StoreToken};
use messages::v1::executor::{Call, call};
use messages::{Message, internal, v1};
use model::{ContainerId, Monotonic, Now, ReplyId, StreamId, Timestamp, Upid};
use resources::Resources;

pub const MASTER: &str = "master@10.0.0.1:5050";
pub const OBSERVER: &str = "slave-observer(1)@10.0.0.1:5050";
pub const AGENT: &str = "slave(1)@10.0.0.2:5051";
pub const DRIVER: &str = "executor(1)@10.0.0.2:40000";
pub const SCHEDULER: &str = "scheduler-1@10.0.0.3:40001";
pub const AGENT_ID: &str = "M-S0";

pub struct Scenario {
    pub agent: Agent,
    pub metrics: Arc<Metrics>,
    pub now: Now,
    outbox: Outbox,
    /// The effects since the log was last read.
    log: Vec<LoggedEffect>,
    /// Whether records are durable only when a scenario says so; otherwise they are at once.
    slow_disk: bool,
    pending_stores: Vec<StoreToken>,
    /// The number of the command whose volumes are being made and deleted.
    pending_volumes: Option<u64>,
    pub timers: BTreeMap<Timer, Monotonic>,
    pub names: Names,
    replies: u64,
    streams: u128,
}

/// An effect and its line, which was written when it happened.
struct LoggedEffect {
    effect: Effect,
    line: Option<String>,
    change: Option<String>,
}

/// Short names for random ids, in the order of their appearance.
#[derive(Default)]
pub struct Names {
    containers: Vec<String>,
    updates: Vec<Vec<u8>>,
}

impl Names {
    pub fn container(&mut self, id: &str) -> String {
        let at = self.containers.iter().position(|c| c == id).unwrap_or_else(|| {
            self.containers.push(id.to_owned());
            self.containers.len() - 1
        });
        format!("C{}", at + 1)
    }

    pub fn update(&mut self, uuid: &[u8]) -> String {
        let at = self.updates.iter().position(|u| u == uuid).unwrap_or_else(|| {
            self.updates.push(uuid.to_vec());
            self.updates.len() - 1
        });
        format!("U{}", at + 1)
    }

    pub fn uuid(&self, name: &str) -> Vec<u8> {
        let at: usize = name[1..].parse().unwrap();
        self.updates[at - 1].clone()
    }

    pub fn container_id(&self, name: &str) -> ContainerId {
        let at: usize = name[1..].parse().unwrap();
        ContainerId::new(&self.containers[at - 1])
    }
}

impl Scenario {
    pub fn new() -> Self {
        let mut scenario = Scenario::with(|_| {});
        scenario.clear_log();
        scenario
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        Scenario::prepared(change, |_| {})
    }

    /// Returns an agent that recovers something before it starts.
    pub fn prepared(change: impl FnOnce(&mut Config), prepare: impl FnOnce(&mut Agent)) -> Self {
        let resources = Resources::parse("cpus:4;mem:4096;disk:10000;ports:[31000-32000]", "*").unwrap();
        let mut config = Config::new(upid(AGENT), "host-2", "/var/lib/mesos", resources);
        change(&mut config);
        let metrics = Arc::new(Metrics::default());
        let mut scenario = Scenario {
            agent: {
                let mut agent = Agent::new(config, [7; 32], metrics.clone());
                prepare(&mut agent);
                agent
            },
            metrics,
            now: Now { monotonic: Monotonic::default(), wall: Timestamp::from_nanos(1_700_000_000_000_000_000) },
            outbox: Outbox::default(),
            log: Vec::new(),
            slow_disk: false,
            pending_stores: Vec::new(),
            pending_volumes: None,
            timers: BTreeMap::new(),
            names: Names::default(),
            replies: 0,
            streams: 0,
        };
        scenario.agent.start(scenario.now, &mut scenario.outbox);
        scenario.settle();
        scenario
    }

    /// Returns a registered agent.
    pub fn registered() -> Self {
        let mut scenario = Scenario::new();
        scenario.master_is(MASTER).fires(Timer::Register).master_registers_it();
        scenario.log.clear();
        scenario
    }

    /// Returns an agent whose connection to its master broke and was made again, with the versions of its resources
    /// before and after.
    pub fn reconnected() -> (Self, v1::Uuid, v1::Uuid) {
        let mut scenario = Scenario::new();
        scenario.master_is(MASTER).fires(Timer::Register).master_registers_it();
        let before = scenario.resource_version();
        scenario.input(Input::Exited(upid(MASTER).address)).clear_log();
        scenario.fires(Timer::Register).master_reregisters_it();
        let after = scenario.resource_version();
        scenario.clear_log();
        (scenario, before, after)
    }

    /// Returns a registered agent whose framework's command task `t1` waits for its executor, in container C1.
    pub fn launching() -> Self {
        let mut scenario = Scenario::registered();
        scenario.runs(command("t1"));
        scenario.clear_log();
        scenario
    }

    /// Returns an agent on which the command executor of `t1` has registered and has the task.
    pub fn running() -> Self {
        let mut scenario = Scenario::launching();
        scenario.container("C1", |container| ContainerEvent::Launched { container, pid: 4242 });
        scenario.subscribes("t1");
        scenario.clear_log();
        scenario
    }

    // Inputs.

    pub fn input(&mut self, input: Input) -> &mut Self {
        self.agent.step(self.now, input, &mut self.outbox);
        self.settle();
        self
    }

    fn settle(&mut self) {
        loop {
            let mut stored = Vec::new();
            for effect in self.outbox.drain() {
                match &effect {
                    Effect::Store { token, .. } if self.slow_disk => self.pending_stores.push(*token),
                    Effect::Store { token, .. } => stored.push(*token),
                    Effect::Command(Command::Volumes { number, .. }) => self.pending_volumes = Some(*number),
                    Effect::Arm { timer, at } => {
                        self.timers.insert(timer.clone(), *at);
                    }
                    Effect::Disarm(timer) => {
                        self.timers.remove(timer);
                    }
                    _ => {}
                }
                let line = format::line(&effect, &mut self.names, self.now);
                let change = format::change(&effect, &mut self.names);
                self.log.push(LoggedEffect { effect, line, change });
            }
            if stored.is_empty() {
                return;
            }
            for token in stored {
                self.agent.step(self.now, Input::Stored(token), &mut self.outbox);
            }
        }
    }

    /// Lets time pass; timers fire in their order.
    pub fn passes(&mut self, time: Duration) -> &mut Self {
        let end = self.now.monotonic + time;
        while let Some((timer, at)) = self.timers.iter().min_by_key(|(_, at)| **at).map(|(t, at)| (t.clone(), *at)) {
            if at > end {
                break;
            }
            self.timers.remove(&timer);
            self.advance_to(at);
            self.input(Input::Timer(timer));
        }
        self.advance_to(end);
        self
    }

    /// Lets time pass until this timer fires.
    pub fn fires(&mut self, timer: Timer) -> &mut Self {
        let at = self.timers.remove(&timer).expect("the timer is armed");
        self.advance_to(at);
        self.input(Input::Timer(timer))
    }

    fn advance_to(&mut self, at: Monotonic) {
        let passed = at.since(self.now.monotonic);
        self.now.wall = Timestamp::from_nanos(self.now.wall.nanos() + passed.as_nanos() as u64);
        self.now.monotonic = self.now.monotonic.max(at);
    }

    pub fn disk_is_slow(&mut self) -> &mut Self {
        self.slow_disk = true;
        self
    }

    /// Makes everything that was written so far durable.
    pub fn disk_catches_up(&mut self) -> &mut Self {
        for token in std::mem::take(&mut self.pending_stores) {
            self.input(Input::Stored(token));
        }
        self
    }

    pub fn master_is(&mut self, pid: &str) -> &mut Self {
        let info = v1::MasterInfo { id: "M".into(), pid: Some(pid.to_owned()), ..Default::default() };
        self.input(Input::MasterDetected(Some(Box::new(info))))
    }

    pub fn master_registers_it(&mut self) -> &mut Self {
        self.master_sends(internal::SlaveRegisteredMessage {
            slave_id: agent_id(),
            connection: Some(internal::MasterSlaveConnection { total_ping_timeout_seconds: Some(75.0) }),
        })
    }

    pub fn master_reregisters_it(&mut self) -> &mut Self {
        self.master_sends(internal::SlaveReregisteredMessage { slave_id: agent_id(), ..Default::default() })
    }

    pub fn master_sends(&mut self, message: impl Into<Message>) -> &mut Self {
        self.sends(MASTER, message)
    }

    pub fn sends(&mut self, from: &str, message: impl Into<Message>) -> &mut Self {
        let message = message.into();
        self.input(Input::Message(PeerMessage {
            caller: model::Caller::default(),
            from: upid(from),
            to: "slave(1)".to_owned(),
            message,
        }))
    }

    pub fn runs(&mut self, task: v1::TaskInfo) -> &mut Self {
        self.master_sends(run_task(task))
    }

    pub fn master_kills(&mut self, task: &str) -> &mut Self {
        self.master_sends(internal::KillTaskMessage {
            framework_id: framework_id(),
            task_id: v1::TaskId { value: task.to_owned() },
            kill_policy: None,
        })
    }

    pub fn framework_acknowledges(&mut self, task: &str, update: &str) -> &mut Self {
        let uuid = self.names.uuid(update);
        self.master_sends(internal::StatusUpdateAcknowledgementMessage {
            slave_id: agent_id(),
            framework_id: framework_id(),
            task_id: v1::TaskId { value: task.to_owned() },
            uuid,
        })
    }

    /// Sends an operation of the master, whose uuid is this number.
    pub fn applies(&mut self, number: u8, operation: v1::offer::Operation) -> &mut Self {
        // The master names no version.
        self.applies_as_of(v1::Uuid::default(), number, operation)
    }

    /// Sends an operation that was decided upon when the agent's resources had this version.
    pub fn applies_as_of(&mut self, version: v1::Uuid, number: u8, operation: v1::offer::Operation) -> &mut Self {
        let mut message = internal::ApplyOperationMessage {
            framework_id: Some(framework_id()),
            operation_info: operation,
            operation_uuid: operation_uuid(number),
            resource_version_uuid: internal::ResourceVersionUuid { resource_provider_id: None, uuid: version },
        };
        message.operation_info.id = Some(v1::OperationId { value: format!("op{number}") });
        self.master_sends(message)
    }

    /// Acknowledges the status of an operation that was sent since the log was last read.
    pub fn acknowledges_operation(&mut self, number: u8) -> &mut Self {
        let status_uuid = self.operation_status(number).uuid.expect("a status to acknowledge");
        self.master_sends(internal::AcknowledgeOperationStatusMessage {
            status_uuid,
            operation_uuid: operation_uuid(number),
            resource_provider_id: None,
        })
    }

    /// Returns the status of an operation that was sent since the log was last read.
    pub fn operation_status(&self, number: u8) -> v1::OperationStatus {
        let sent = self.sent().filter_map(|message| match message {
            Message::UpdateOperationStatus(update) => Some(update),
            _ => None,
        });
        let mut of_it = sent.filter(|update| update.operation_uuid == Some(operation_uuid(number)));
        of_it.next().expect("a status").status.clone()
    }

    /// Confirms the changes of volumes.
    pub fn volumes_are_ready(&mut self) -> &mut Self {
        let number = self.pending_volumes.take().expect("volumes under way");
        self.input(Input::Volumes { number, failed: None })
    }

    pub fn volumes_fail(&mut self, why: &str) -> &mut Self {
        let number = self.pending_volumes.take().expect("volumes under way");
        self.input(Input::Volumes { number, failed: Some(why.to_owned()) })
    }

    pub fn container(&mut self, name: &str, event: impl FnOnce(ContainerId) -> ContainerEvent) -> &mut Self {
        let id = self.names.container_id(name);
        self.input(Input::Container(event(id)))
    }

    pub fn exits(&mut self, name: &str, status: i32) -> &mut Self {
        let exit = ContainerExit { status: Some(status), ..Default::default() };
        self.container(name, |container| ContainerEvent::Exited { container, exit })
    }

    pub fn breaks_limit(&mut self, name: &str, reason: v1::task_status::Reason, message: &str) -> &mut Self {
        let limitation = Limitation { reason, message: message.to_owned(), resources: scalar_resources(0.0, 64.0) };
        let exit = ContainerExit { status: Some(9), limitation: Some(limitation), ..Default::default() };
        self.container(name, |container| ContainerEvent::Exited { container, exit })
    }

    pub fn subscribes(&mut self, executor: &str) -> &mut Self {
        self.resubscribes(executor, call::Subscribe::default())
    }

    pub fn resubscribes(&mut self, executor: &str, subscribe: call::Subscribe) -> &mut Self {
        self.replies += 1;
        self.streams += 1;
        let mut call = executor_call(executor, call::Type::Subscribe);
        call.subscribe = Some(Box::new(subscribe));
        self.input(Input::ExecutorSubscribe(ExecutorSubscribe {
            caller: model::Caller::default(),
            reply: ReplyId(self.replies),
            stream: StreamId(uuid::Uuid::from_u128(self.streams)),
            call: Box::new(call),
        }))
    }

    pub fn stream_closes(&mut self, number: u128) -> &mut Self {
        self.input(Input::StreamClosed(StreamId(uuid::Uuid::from_u128(number))))
    }

    pub fn updates(&mut self, executor: &str, task: &str, state: v1::TaskState) -> &mut Self {
        self.updates_as(executor, status(task, state))
    }

    pub fn updates_as(&mut self, executor: &str, status: v1::TaskStatus) -> &mut Self {
        let mut call = executor_call(executor, call::Type::Update);
        call.update = Some(Box::new(call::Update { status }));
        self.calls(call)
    }

    pub fn calls(&mut self, call: Call) -> &mut Self {
        self.replies += 1;
        self.input(Input::ExecutorCall(ExecutorCall {
            caller: model::Caller::default(),
            reply: ReplyId(self.replies),
            call: Box::new(call),
        }))
    }

    // Results.

    /// Returns the effects since the log was last read, without changes published for readers.
    pub fn take_log(&mut self) -> String {
        let lines: Vec<String> = std::mem::take(&mut self.log).into_iter().filter_map(|logged| logged.line).collect();
        lines.join("\n")
    }

    /// Returns the changes published since the log was last read.
    pub fn take_changes(&mut self) -> String {
        let lines: Vec<String> = std::mem::take(&mut self.log).into_iter().filter_map(|logged| logged.change).collect();
        lines.join("\n")
    }

    pub fn clear_log(&mut self) -> &mut Self {
        self.take_log();
        self
    }

    pub fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.log.iter().map(|logged| &logged.effect)
    }

    /// Iterates over the messages sent since the log was last read.
    pub fn sent(&self) -> impl Iterator<Item = &Message> {
        self.effects().filter_map(|effect| match effect {
            Effect::Send { message, .. } => Some(message),
            _ => None,
        })
    }

    /// Returns the version of its resources that the agent last sent its master since the log was last read.
    pub fn resource_version(&self) -> v1::Uuid {
        let told = self.sent().filter_map(|message| match message {
            Message::RegisterSlave(message) => message.resource_version_uuid.clone(),
            Message::ReregisterSlave(message) => message.resource_version_uuid.clone(),
            Message::UpdateSlave(message) => message.resource_version_uuid.clone(),
            _ => None,
        });
        told.last().expect("a version was told")
    }

    pub fn launched(&self) -> &agent::ContainerLaunch {
        let launch =
            |effect: &Effect| matches!(effect, Effect::Command(Command::Container(ContainerCommand::Launch(_))));
        match self.effects().find(|effect| launch(effect)) {
            Some(Effect::Command(Command::Container(ContainerCommand::Launch(launch)))) => launch,
            _ => panic!("nothing was launched"),
        }
    }
}

/// Expects exactly these effects since the log was last read.
pub fn check(scenario: &mut Scenario, expect: &str) {
    let log = scenario.take_log();
    let expect: Vec<&str> = expect.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let actual: Vec<&str> = log.lines().collect();
    assert!(actual == expect, "actual:\n{}\n\nexpected:\n{}\n", actual.join("\n"), expect.join("\n"));
}

pub fn upid(text: &str) -> Upid {
    text.parse().unwrap()
}

pub fn address(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

pub fn agent_id() -> v1::AgentId {
    v1::AgentId { value: AGENT_ID.to_owned() }
}

pub fn framework_id() -> v1::FrameworkId {
    v1::FrameworkId { value: "F".to_owned() }
}

pub fn framework() -> v1::FrameworkInfo {
    let partition_aware = v1::framework_info::capability::Type::PartitionAware as i32;
    v1::FrameworkInfo {
        user: "alice".to_owned(),
        name: "framework".to_owned(),
        id: Some(framework_id()),
        roles: vec!["dev".to_owned()],
        capabilities: vec![v1::framework_info::Capability { r#type: Some(partition_aware) }],
        ..Default::default()
    }
}

pub fn scalar_resources(cpus: f64, mem: f64) -> Vec<v1::Resource> {
    let scalar = |name: &str, value| v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value }),
        allocation_info: Some(v1::resource::AllocationInfo { role: Some("dev".to_owned()) }),
        ..Default::default()
    };
    [("cpus", cpus), ("mem", mem)].into_iter().filter(|(_, v)| *v > 0.0).map(|(n, v)| scalar(n, v)).collect()
}

pub fn task(id: &str) -> v1::TaskInfo {
    v1::TaskInfo {
        name: format!("name of {id}"),
        task_id: v1::TaskId { value: id.to_owned() },
        agent_id: agent_id(),
        resources: scalar_resources(1.0, 64.0),
        ..Default::default()
    }
}

/// Returns a task that is a single command.
pub fn command(id: &str) -> v1::TaskInfo {
    let command = v1::CommandInfo { value: Some("sleep 1000".to_owned()), ..Default::default() };
    v1::TaskInfo { command: Some(Box::new(command)), ..task(id) }
}

/// Returns a task for the framework's own executor.
pub fn custom(id: &str, executor: &str) -> v1::TaskInfo {
    v1::TaskInfo { executor: Some(Box::new(executor_info(executor))), ..task(id) }
}

pub fn executor_info(id: &str) -> v1::ExecutorInfo {
    v1::ExecutorInfo {
        executor_id: v1::ExecutorId { value: id.to_owned() },
        framework_id: Some(framework_id()),
        r#type: Some(v1::executor_info::Type::Custom as i32),
        command: Some(Box::new(v1::CommandInfo { value: Some("./executor".to_owned()), ..Default::default() })),
        resources: scalar_resources(0.5, 32.0),
        ..Default::default()
    }
}

pub fn run_task(task: v1::TaskInfo) -> internal::RunTaskMessage {
    internal::RunTaskMessage { framework: framework(), pid: Some(Upid::none().to_string()), task, ..Default::default() }
}

/// Returns a launch that was decided upon when the agent's resources had this version.
pub fn run_task_as_of(version: v1::Uuid, task: v1::TaskInfo) -> internal::RunTaskMessage {
    let version = internal::ResourceVersionUuid { resource_provider_id: None, uuid: version };
    internal::RunTaskMessage { resource_version_uuids: vec![version], ..run_task(task) }
}

pub fn run_group(executor: &str, tasks: &[&str]) -> internal::RunTaskGroupMessage {
    let executor = v1::ExecutorInfo {
        r#type: Some(v1::executor_info::Type::Default as i32),
        command: None,
        ..executor_info(executor)
    };
    let tasks = tasks.iter().map(|id| v1::TaskInfo { executor: Some(Box::new(executor.clone())), ..command(id) });
    internal::RunTaskGroupMessage {
        framework: framework(),
        task_group: v1::TaskGroupInfo { tasks: tasks.collect() },
        executor,
        ..Default::default()
    }
}

pub fn executor_call(executor: &str, kind: call::Type) -> Call {
    Call {
        executor_id: v1::ExecutorId { value: executor.to_owned() },
        framework_id: framework_id(),
        r#type: Some(kind as i32),
        ..Default::default()
    }
}

/// Returns an executor's status with a uuid of its own: it is made of the task and the state, so that it can be
/// repeated.
pub fn status(task: &str, state: v1::TaskState) -> v1::TaskStatus {
    let mut uuid = [0; 16];
    for (at, byte) in task.bytes().take(15).enumerate() {
        uuid[at] = byte;
    }
    uuid[15] = state as i32 as u8;
    v1::TaskStatus {
        task_id: v1::TaskId { value: task.to_owned() },
        state: state as i32,
        source: Some(v1::task_status::Source::Executor as i32),
        uuid: Some(uuid.to_vec()),
        ..Default::default()
    }
}

/// Returns the same status as a driver sends it.
pub fn driver_update(task: &str, state: v1::TaskState) -> internal::StatusUpdateMessage {
    let status = v1::TaskStatus { agent_id: Some(agent_id()), ..status(task, state) };
    internal::StatusUpdateMessage {
        update: internal::StatusUpdate {
            framework_id: framework_id(),
            executor_id: None,
            slave_id: Some(agent_id()),
            timestamp: 1.0,
            uuid: status.uuid.clone(),
            status,
            latest_state: None,
        },
        pid: Some(DRIVER.to_owned()),
    }
}

pub fn operation_uuid(number: u8) -> v1::Uuid {
    let mut value = vec![0; 16];
    value[15] = number;
    v1::Uuid { value }
}

fn reserved_disk(megabytes: f64) -> v1::Resource {
    let reservation = v1::resource::ReservationInfo {
        r#type: Some(v1::resource::reservation_info::Type::Dynamic as i32),
        role: Some("dev".to_owned()),
        ..Default::default()
    };
    v1::Resource {
        name: "disk".to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value: megabytes }),
        allocation_info: Some(v1::resource::AllocationInfo { role: Some("dev".to_owned()) }),
        reservations: vec![reservation],
        ..Default::default()
    }
}

/// Returns a volume that tasks see as `data`.
pub fn volume(id: &str, megabytes: f64) -> v1::Resource {
    let persistence = v1::resource::disk_info::Persistence { id: id.to_owned(), principal: None };
    let shown =
        v1::Volume { mode: v1::volume::Mode::Rw as i32, container_path: "data".to_owned(), ..Default::default() };
    let disk =
        v1::resource::DiskInfo { persistence: Some(persistence), volume: Some(Box::new(shown)), ..Default::default() };
    v1::Resource { disk: Some(Box::new(disk)), ..reserved_disk(megabytes) }
}

pub fn reserve(megabytes: f64) -> v1::offer::Operation {
    let reserve = v1::offer::operation::Reserve { resources: vec![reserved_disk(megabytes)], ..Default::default() };
    v1::offer::Operation {
        r#type: Some(v1::offer::operation::Type::Reserve as i32),
        reserve: Some(Box::new(reserve)),
        ..Default::default()
    }
}

pub fn create(volume: v1::Resource) -> v1::offer::Operation {
    v1::offer::Operation {
        r#type: Some(v1::offer::operation::Type::Create as i32),
        create: Some(Box::new(v1::offer::operation::Create { volumes: vec![volume] })),
        ..Default::default()
    }
}

pub fn destroy(volume: v1::Resource) -> v1::offer::Operation {
    v1::offer::Operation {
        r#type: Some(v1::offer::operation::Type::Destroy as i32),
        destroy: Some(Box::new(v1::offer::operation::Destroy { volumes: vec![volume] })),
        ..Default::default()
    }
}
