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

use std::net::SocketAddrV4;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use agent::{
    Agent, Command, Config, ContainerCall, ContainerCommand, ContainerEvent, ContainerExit, ContainerRequest, Effect,
    ExecutorCall, ExecutorSubscribe, Input, Limitation, Metrics, NestedContainerRequest, Timer,
};
use messages::v1::executor::{Call, call};
use messages::v1::framework_info::capability::Type::PartitionAware;
use messages::{Message, internal, v1};
use model::{ContainerId, Monotonic, Now, ReplyId, Timestamp, Upid};
use resources::Resources;
use testkit::builders::{
    self as build, ExecutorBuilder, FrameworkBuilder, OperationBuilder, ResourceBuilder, TaskBuilder,
};
use testkit::core::{Environment, Harness, Inputs};

pub const MASTER: &str = "master@10.0.0.1:5050";
pub const OBSERVER: &str = "slave-observer(1)@10.0.0.1:5050";
pub const AGENT: &str = "slave(1)@10.0.0.2:5051";
pub const DRIVER: &str = "executor(1)@10.0.0.2:40000";
pub const SCHEDULER: &str = "scheduler-1@10.0.0.3:40001";
pub const AGENT_ID: &str = "M-S0";

/// An agent, driven by its [`Harness`]. Records are durable at once unless a scenario says otherwise.
pub struct Scenario {
    core: Harness<Surroundings>,
    pub metrics: Arc<Metrics>,
    replies: u64,
    streams: u128,
}

/// The log of a scenario, and the volumes on the disk.
#[derive(Default)]
pub struct Surroundings {
    /// The log lines of the effects since the log was last read.
    log: Vec<LoggedEffect>,
    pub names: Names,
    /// The number of the command whose volumes are being made and deleted.
    pending_volumes: Option<u64>,
}

/// The log line of an effect, which is formatted when the effect is emitted.
struct LoggedEffect {
    line: Option<String>,
    change: Option<String>,
}

impl Environment for Surroundings {
    type Machine = Agent;

    fn observe(&mut self, now: Now, effect: &Effect) -> Option<Input> {
        if let Effect::Command(Command::Volumes { number, .. }) = effect {
            self.pending_volumes = Some(*number);
        }
        let line = format::line(effect, &mut self.names, now);
        let change = format::change(effect, &mut self.names);
        self.log.push(LoggedEffect { line, change });
        None
    }
}

impl Deref for Scenario {
    type Target = Harness<Surroundings>;

    fn deref(&self) -> &Self::Target {
        &self.core
    }
}

impl DerefMut for Scenario {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.core
    }
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
        let mut agent = Agent::new(config, [7; 32], metrics.clone());
        prepare(&mut agent);
        let wall = Timestamp::from_nanos(1_700_000_000_000_000_000);
        let inputs = Inputs { timer: Input::Timer, stored: Input::Stored };
        let core = Harness::new(agent, Surroundings::default(), inputs, Now { monotonic: Monotonic::default(), wall });
        let mut scenario = Scenario { core, metrics, replies: 0, streams: 0 };
        scenario.call(|agent, now, outbox| agent.start(now, outbox));
        scenario
    }

    /// Returns a registered agent.
    pub fn registered() -> Self {
        let mut scenario = Scenario::new();
        scenario.master_is(MASTER).fires(Timer::Register).master_registers_it();
        scenario.clear_log();
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
        scenario.container("C1", |container| ContainerEvent::Launched { container, pid: 4242, networks: Vec::new() });
        scenario.subscribes("t1");
        scenario.clear_log();
        scenario
    }

    // Inputs.

    pub fn input(&mut self, input: Input) -> &mut Self {
        self.deliver(input);
        self
    }

    /// Lets time pass; timers fire in their order.
    pub fn passes(&mut self, time: Duration) -> &mut Self {
        self.pass(time);
        self
    }

    /// Lets time pass until this timer fires.
    pub fn fires(&mut self, timer: Timer) -> &mut Self {
        self.pass_until(timer);
        self
    }

    pub fn disk_is_slow(&mut self) -> &mut Self {
        self.core.disk_is_slow = true;
        self
    }

    /// Makes everything that was written so far durable.
    pub fn disk_catches_up(&mut self) -> &mut Self {
        self.confirm_waiting();
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
        self.input(Input::Message(build::peer_message(upid(from), "slave(1)", message)))
    }

    pub fn runs(&mut self, task: v1::TaskInfo) -> &mut Self {
        self.master_sends(run_task(task))
    }

    pub fn master_kills(&mut self, task: &str) -> &mut Self {
        self.master_sends(internal::KillTaskMessage {
            framework_id: framework_id(),
            task_id: build::task_id(task),
            kill_policy: None,
        })
    }

    pub fn framework_acknowledges(&mut self, task: &str, update: &str) -> &mut Self {
        let uuid = self.environment.names.uuid(update);
        self.master_sends(internal::StatusUpdateAcknowledgementMessage {
            slave_id: agent_id(),
            framework_id: framework_id(),
            task_id: build::task_id(task),
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
        self.master_sends(internal::ApplyOperationMessage {
            framework_id: Some(framework_id()),
            operation_info: operation.with_operation_id(&format!("op{number}")),
            operation_uuid: operation_uuid(number),
            resource_version_uuid: internal::ResourceVersionUuid { resource_provider_id: None, uuid: version },
        })
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
        let number = self.environment.pending_volumes.take().expect("volumes under way");
        self.input(Input::Volumes { number, failed: None })
    }

    pub fn volumes_fail(&mut self, why: &str) -> &mut Self {
        let number = self.environment.pending_volumes.take().expect("volumes under way");
        self.input(Input::Volumes { number, failed: Some(why.to_owned()) })
    }

    pub fn container(&mut self, name: &str, event: impl FnOnce(ContainerId) -> ContainerEvent) -> &mut Self {
        let id = self.environment.names.container_id(name);
        self.input(Input::Container(event(id)))
    }

    pub fn exits(&mut self, name: &str, status: i32) -> &mut Self {
        let exit = ContainerExit { status: Some(status), ..Default::default() };
        self.container(name, |container| ContainerEvent::Exited { container, exit })
    }

    pub fn breaks_limit(&mut self, name: &str, reason: v1::task_status::Reason, message: &str) -> &mut Self {
        let limitation = Limitation { reason, message: message.to_owned(), resources: allocated("mem:64") };
        let exit = ContainerExit { status: Some(9), limitation: Some(limitation), ..Default::default() };
        self.container(name, |container| ContainerEvent::Exited { container, exit })
    }

    pub fn subscribes(&mut self, executor: &str) -> &mut Self {
        self.resubscribes(executor, call::Subscribe::default())
    }

    pub fn resubscribes(&mut self, executor: &str, subscribe: call::Subscribe) -> &mut Self {
        self.replies += 1;
        self.streams += 1;
        let call = build::executor_subscribe("F", executor, subscribe);
        self.input(Input::ExecutorSubscribe(ExecutorSubscribe {
            caller: model::Caller::default(),
            reply: ReplyId(self.replies),
            stream: build::stream_id(self.streams),
            call: Box::new(call),
        }))
    }

    pub fn stream_closes(&mut self, number: u128) -> &mut Self {
        self.input(Input::StreamClosed(build::stream_id(number)))
    }

    pub fn updates(&mut self, executor: &str, task: &str, state: v1::TaskState) -> &mut Self {
        self.updates_as(executor, status(task, state))
    }

    pub fn updates_as(&mut self, executor: &str, status: v1::TaskStatus) -> &mut Self {
        self.calls(build::executor_update("F", executor, status))
    }

    pub fn calls(&mut self, call: Call) -> &mut Self {
        self.replies += 1;
        self.input(Input::ExecutorCall(ExecutorCall {
            caller: model::Caller::default(),
            reply: ReplyId(self.replies),
            call: Box::new(call),
        }))
    }

    /// Sends a call about a container, in which `C1` stands for the first container.
    pub fn container_call(&mut self, request: ContainerRequest) -> ReplyId {
        self.replies += 1;
        let reply = ReplyId(self.replies);
        self.input(Input::ContainerCall(ContainerCall { reply, caller: model::Caller::default(), request }));
        reply
    }

    pub fn launches_in(&mut self, container: &str, change: impl FnOnce(&mut NestedContainerRequest)) -> &mut Self {
        let mut request = NestedContainerRequest {
            container: self.nested(container),
            command: Some(v1::CommandInfo { value: Some("sleep 1000".to_owned()), ..Default::default() }),
            info: None,
            resources: Vec::new(),
            limits: Vec::new(),
            session: false,
        };
        change(&mut request);
        self.container_call(ContainerRequest::Launch(Box::new(request)));
        self
    }

    /// Returns the id of a container from a text whose first value may be a short name.
    pub fn nested(&self, text: &str) -> ContainerId {
        let (root, below) = text.split_once('.').map_or((text, None), |(root, below)| (root, Some(below)));
        let root = match root.starts_with('C') {
            true => self.environment.names.container_id(root).to_string(),
            false => root.to_owned(),
        };
        ContainerId::new(below.map_or(root.clone(), |below| format!("{root}.{below}")))
    }

    pub fn nested_event(&mut self, text: &str, event: impl FnOnce(ContainerId) -> ContainerEvent) -> &mut Self {
        let id = self.nested(text);
        self.input(Input::Container(event(id)))
    }

    // Results.

    /// Returns the effects since the log was last read, without changes published for readers.
    pub fn take_log(&mut self) -> String {
        self.take_lines(|logged| logged.line)
    }

    /// Returns the changes published since the log was last read.
    pub fn take_changes(&mut self) -> String {
        self.take_lines(|logged| logged.change)
    }

    fn take_lines(&mut self, line: impl Fn(LoggedEffect) -> Option<String>) -> String {
        self.recorded.clear();
        let lines: Vec<String> = std::mem::take(&mut self.environment.log).into_iter().filter_map(line).collect();
        lines.join("\n")
    }

    pub fn clear_log(&mut self) -> &mut Self {
        self.take_log();
        self
    }

    pub fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.recorded.effects.iter()
    }

    /// Iterates over the messages sent since the log was last read.
    pub fn sent(&self) -> impl Iterator<Item = &Message> {
        self.recorded.sent().map(|(_, _, message)| message)
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
    build::upid(text)
}

pub fn address(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

pub fn agent_id() -> v1::AgentId {
    build::agent_id(AGENT_ID)
}

pub fn framework_id() -> v1::FrameworkId {
    build::framework_id("F")
}

pub fn framework() -> v1::FrameworkInfo {
    build::framework("framework")
        .of_user("alice")
        .with_id("F")
        .with_roles(&["dev"])
        .with_capabilities(&[PartitionAware])
}

/// Resources as they arrive in the tasks of the framework.
pub fn allocated(text: &str) -> Vec<v1::Resource> {
    build::resources(text).allocated_to("dev")
}

pub fn task(id: &str) -> v1::TaskInfo {
    let task = build::task(id).on(AGENT_ID).with_resources(allocated("cpus:1;mem:64"));
    v1::TaskInfo { name: format!("name of {id}"), ..task }
}

/// Returns a task that is a single command.
pub fn command(id: &str) -> v1::TaskInfo {
    task(id).running("sleep 1000")
}

/// Returns a task for the framework's own executor.
pub fn custom(id: &str, executor: &str) -> v1::TaskInfo {
    task(id).under(executor_info(executor))
}

pub fn executor_info(id: &str) -> v1::ExecutorInfo {
    build::executor(id, "./executor")
        .of_framework("F")
        .of_type(v1::executor_info::Type::Custom)
        .with_resources(allocated("cpus:0.5;mem:32"))
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
    let executor =
        v1::ExecutorInfo { command: None, ..executor_info(executor).of_type(v1::executor_info::Type::Default) };
    let tasks = tasks.iter().map(|id| v1::TaskInfo { executor: Some(Box::new(executor.clone())), ..command(id) });
    internal::RunTaskGroupMessage {
        framework: framework(),
        task_group: v1::TaskGroupInfo { tasks: tasks.collect() },
        executor,
        ..Default::default()
    }
}

pub fn executor_call(executor: &str, kind: call::Type) -> Call {
    build::executor_call("F", executor, kind)
}

/// Returns an executor's status with a uuid of its own: it is made of the task and the state, so that it can be
/// repeated.
pub fn status(task: &str, state: v1::TaskState) -> v1::TaskStatus {
    let mut uuid = [0; 16];
    for (at, byte) in task.bytes().take(15).enumerate() {
        uuid[at] = byte;
    }
    uuid[15] = state as i32 as u8;
    build::status(task, state, uuid.to_vec())
}

/// Returns the same status as a driver sends it.
pub fn driver_update(task: &str, state: v1::TaskState) -> internal::StatusUpdateMessage {
    let status = v1::TaskStatus { agent_id: Some(agent_id()), ..status(task, state) };
    build::status_update("F", AGENT_ID, None, status, DRIVER)
}

pub fn operation_uuid(number: u8) -> v1::Uuid {
    let mut value = vec![0; 16];
    value[15] = number;
    v1::Uuid { value }
}

fn reserved_disk(megabytes: u32) -> Vec<v1::Resource> {
    allocated(&format!("disk:{megabytes}")).reserved_for("dev")
}

/// Returns a volume that tasks see as `data`.
pub fn volume(id: &str, megabytes: u32) -> v1::Resource {
    build::persistent_volume("dev", megabytes, id, "data").allocated_to("dev")
}

pub fn reserve(megabytes: u32) -> v1::offer::Operation {
    build::reserve(reserved_disk(megabytes))
}

pub fn create(volume: v1::Resource) -> v1::offer::Operation {
    build::create(vec![volume])
}

pub fn destroy(volume: v1::Resource) -> v1::offer::Operation {
    build::destroy(vec![volume])
}
