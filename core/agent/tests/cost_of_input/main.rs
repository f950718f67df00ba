//! The cost of input: no input of a peer takes more than a hundred times its bytes in memory, or time that grows faster
//! than its bytes. Every string and every list of every message and call that an agent receives is filled, one after
//! the other, and processed like any input: decoding, validation, and the step of the core.
//!
//! What an input costs the shell (descriptors, mounts, processes) is measured by
//! `shell/agent-server/tests/cost_of_input.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

#[path = "../scenario/mod.rs"]
mod scenario;

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use agent::{
    Agent, Command, Config, ContainerCall, ContainerCommand, ContainerEvent, ContainerRequest, Effect, ExecutorCall,
    ExecutorSubscribe, Input, Metrics, NestedContainerRequest, Timer,
};
use messages::schema::HasDescriptor;
use messages::{Message, internal, v1};
use model::{Caller, ContainerId, Monotonic, Now, ReplyId, Timestamp};
use resources::Resources;
use scenario::{AGENT, AGENT_ID, DRIVER, MASTER, command, framework, run_task, upid};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use testkit::builders as build;
use testkit::core::{Environment, Harness, Inputs};
use testkit::inputs::cost::{self, Meter};
use testkit::inputs::{InputKind, Samples};
use wire::Limits;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A short input may cost 3 MiB: each task that a master reconciles and that the agent does not have is answered with an
/// update of some kilobytes, which is stored and sent.
const METER: Meter = Meter {
    allocated: || ALLOCATOR.stats().bytes_allocated,
    time: cpu_time,
    floor: 3 << 20,
    descriptors: None,
    each_kind: false,
};

/// Returns the time that this thread has computed.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// An environment that answers nothing.
struct Silent;

impl Environment for Silent {
    type Machine = Agent;
}

/// A registered agent with the framework `F`, whose task `t1` runs under an executor that is subscribed.
struct Subject(Harness<Silent>);

impl Subject {
    fn new() -> Self {
        let resources = Resources::parse("cpus:4;mem:4096;disk:10000;ports:[31000-32000]", "*").unwrap();
        let config = Config::new(upid(AGENT), "host-2", "/var/lib/mesos", resources);
        let agent = Agent::new(config, [7; 32], Arc::new(Metrics::default()));
        let wall = Timestamp::from_nanos(1_700_000_000_000_000_000);
        let inputs = Inputs { timer: Input::Timer, stored: Input::Stored };
        let now = Now { monotonic: Monotonic::default(), wall };
        let mut subject = Subject(Harness::new(agent, Silent, inputs, now));
        subject.0.call(|agent, now, outbox| agent.start(now, outbox));
        let info = v1::MasterInfo { id: "M".into(), pid: Some(MASTER.to_owned()), ..Default::default() };
        subject.0.deliver(Input::MasterDetected(Some(Box::new(info))));
        subject.0.pass_until(Timer::Register);
        subject.send(MASTER, internal::SlaveRegisteredMessage { slave_id: scenario::agent_id(), connection: None });
        subject.send(MASTER, run_task(command("t1")));
        let launched = subject.0.recorded.effects.iter().find_map(|effect| match effect {
            Effect::Command(Command::Container(ContainerCommand::Launch(launch))) => Some(launch.container.clone()),
            _ => None,
        });
        let container = launched.unwrap();
        subject.0.deliver(Input::Container(ContainerEvent::Launched { container, pid: 4242, networks: Vec::new() }));
        subject.executor_call(build::executor_subscribe("F", "t1", v1::executor::call::Subscribe::default()));
        subject.0.recorded.clear();
        subject
    }

    fn send(&mut self, from: &str, message: impl Into<Message>) {
        self.0.deliver(Input::Message(build::peer_message(upid(from), "slave(1)", message)));
    }

    fn executor_call(&mut self, call: v1::executor::Call) {
        let (reply, caller, call) = (ReplyId(1), Caller::default(), Box::new(call));
        self.0.deliver(match call.subscribe.is_some() {
            true => Input::ExecutorSubscribe(ExecutorSubscribe { reply, caller, stream: build::stream_id(1), call }),
            false => Input::ExecutorCall(ExecutorCall { reply, caller, call }),
        });
    }
}

fn executor_call(subject: &mut Subject, bytes: &[u8]) {
    let Ok(call) = wire::decode::<v1::executor::Call>(bytes, &Limits::default()) else { return };
    if validation::executor_call::validate(&call).is_ok() {
        subject.executor_call(call);
    }
}

#[allow(deprecated, reason = "clients still use the calls for nested containers")]
fn agent_call(subject: &mut Subject, bytes: &[u8]) {
    let Ok(call) = wire::decode::<v1::agent::Call>(bytes, &Limits::default()) else { return };
    if validation::agent_call::validate(&call).is_err() {
        return;
    }
    let launch = |container: &v1::ContainerId, command: Option<Box<v1::CommandInfo>>, info, resources| {
        let container = ContainerId::try_from(container).ok()?;
        let command = command.map(|command| *command);
        let info = Option::<Box<v1::ContainerInfo>>::map(info, |info| *info);
        let launch = NestedContainerRequest { container, command, info, resources, limits: Vec::new(), session: false };
        Some(ContainerRequest::Launch(Box::new(launch)))
    };
    let request = match (call.launch_container, call.launch_nested_container) {
        (Some(given), _) => launch(&given.container_id, given.command, given.container, given.resources),
        (_, Some(given)) => launch(&given.container_id, given.command, given.container, Vec::new()),
        _ => None,
    };
    if let Some(request) = request {
        let call = ContainerCall { reply: ReplyId(1), caller: Caller::default(), request };
        subject.0.deliver(Input::ContainerCall(call));
    }
}

fn peer_message(name: &'static str, from: &'static str) -> impl Fn(&mut Subject, &[u8]) {
    move |subject, bytes| {
        let Ok(message) = wire::decode_message(name, bytes, &Limits::default()) else { return };
        subject.send(from, message);
    }
}

fn input_kinds() -> Vec<InputKind<Subject>> {
    let json = |message: Vec<u8>| serde_json::from_slice::<Value>(&message).unwrap();
    let framework = json(wire::json::encode(&framework()));
    let task = json(wire::json::encode(&command("t2")));
    let executor = json(wire::json::encode(&scenario::executor_info("e")));
    let (f, t1) = (json!({"value": "F"}), json!({"value": "t1"}));
    let of_executor = json!({"framework_id": f, "executor_id": t1});
    // Launches come first, so that the fields of their tasks and executors are filled in them.
    let calls = [
        InputKind { desc: v1::executor::Call::desc(), base: of_executor.clone(), process: Box::new(executor_call) },
        InputKind { desc: v1::agent::Call::desc(), base: json!({}), process: Box::new(agent_call) },
    ];
    let update = json!({"update": {
        "framework_id": f, "slave_id": {"value": AGENT_ID}, "executor_id": t1, "timestamp": 1.0, "uuid": "AAAAAAAAQACAAAAAAAAAAA==",
        "status": {"task_id": t1, "state": "TASK_RUNNING", "slave_id": {"value": AGENT_ID}, "uuid": "AAAAAAAAQACAAAAAAAAAAA=="},
    }});
    let messages = [
        ("RunTaskMessage", MASTER, json!({"framework": framework, "task": task, "pid": ""})),
        ("PingSlaveMessage", scenario::OBSERVER, json!({"connected": true})),
        ("SlaveRegisteredMessage", MASTER, json!({"slave_id": {"value": AGENT_ID}})),
        ("SlaveReregisteredMessage", MASTER, json!({"slave_id": {"value": AGENT_ID}})),
        (
            "RunTaskGroupMessage",
            MASTER,
            json!({"framework": framework, "executor": executor, "task_group": {"tasks": [task]}}),
        ),
        ("KillTaskMessage", MASTER, json!({"framework_id": f, "task_id": t1})),
        ("ShutdownExecutorMessage", MASTER, of_executor.clone()),
        ("ShutdownFrameworkMessage", MASTER, json!({"framework_id": f})),
        ("UpdateFrameworkMessage", MASTER, json!({"framework_id": f, "framework_info": framework})),
        ("ShutdownMessage", MASTER, json!({})),
        ("DrainSlaveMessage", MASTER, json!({"config": {}})),
        ("ApplyOperationMessage", MASTER, json!({"framework_id": f})),
        ("CheckpointResourcesMessage", MASTER, json!({})),
        ("AcknowledgeOperationStatusMessage", MASTER, json!({})),
        ("ReconcileOperationsMessage", MASTER, json!({})),
        (
            "FrameworkToExecutorMessage",
            MASTER,
            json!({"slave_id": {"value": AGENT_ID}, "framework_id": f, "executor_id": t1}),
        ),
        (
            "StatusUpdateAcknowledgementMessage",
            MASTER,
            json!({"slave_id": {"value": AGENT_ID}, "framework_id": f, "task_id": t1}),
        ),
        ("RegisterExecutorMessage", DRIVER, of_executor.clone()),
        ("ReregisterExecutorMessage", DRIVER, of_executor.clone()),
        ("StatusUpdateMessage", DRIVER, update),
        (
            "ExecutorToFrameworkMessage",
            DRIVER,
            json!({"slave_id": {"value": AGENT_ID}, "framework_id": f, "executor_id": t1}),
        ),
    ];
    let messages = messages.map(|(name, from, base)| {
        let name: &'static str = format!("mesos.internal.{name}").leak();
        let Ok(Some(desc)) = Message::descriptor_of(name) else { panic!("{name} has no descriptor") };
        InputKind { desc, base, process: Box::new(peer_message(name, from)) }
    });
    messages.into_iter().chain(calls).collect()
}

/// This is one test, since the allocator counts for the whole program.
#[test]
fn the_cost_of_an_input_is_proportional_to_its_size() {
    let samples = Samples { framework: "F".into(), agent: AGENT_ID.into(), offer: "O".into() };
    let complaints = cost::sweep(&input_kinds(), &samples, &Subject::new, METER);
    assert!(complaints.is_empty(), "{} fields cost too much:\n{}", complaints.len(), complaints.join("\n"));
}
