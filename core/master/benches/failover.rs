//! The cost of a failover for the core, single-threaded: every agent of the registry re-registers with its tasks, as in
//! Mesos' `MasterFailover` benchmark. 40,000 agents, each with two tasks of each of five frameworks.
//!
//! `cargo bench -p master` prints a table; numbers as arguments choose the number of agents.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of its own")]

#[path = "../../allocator/benches/clock/mod.rs"]
mod clock;

use machine::StateMachine;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use master::{AgentRecord, Caller, Config, Effect, Input, Master, Metrics, Outbox, PeerMessage, RegistryState, Timer};
use messages::schema::HasDescriptor;
use messages::v1::resource::AllocationInfo;
use messages::{internal, v1};
use model::{AgentId, Monotonic, Now, Timestamp, Upid};
use resources::Resources;
use wire::Limits;

const FRAMEWORKS: usize = 5;
const TASKS_OF_EACH: usize = 2;

fn main() {
    // cargo passes `--bench`.
    let wanted: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if wanted.is_empty() { vec![10_000, 40_000] } else { wanted };
    println!("{:<62}{:>10}{:>12}", "case", "tasks", "CPU time");
    sizes.into_iter().for_each(failover);
}

fn failover(agents: usize) {
    let infos: Vec<_> = (0..agents).map(agent_info).collect();
    let bodies: Vec<_> = infos.iter().map(|info| wire::encode(&reregistration(info))).collect();
    let mut master = Successor::new(&infos);

    let mut decoding = Duration::ZERO;
    let start = Clock::start();
    for (index, body) in bodies.iter().enumerate() {
        let start = Clock::start();
        let name = internal::ReregisterSlaveMessage::desc().name;
        let message = wire::decode_message(name, body, &Limits::default()).unwrap();
        decoding += start.elapsed();
        master.step(Input::Message(PeerMessage {
            from: pid(index),
            caller: Caller::default(),
            to: "master".to_owned(),
            message,
        }));
    }
    let total = start.elapsed();
    let known = master.metrics.iter().find(|(name, _)| *name == "master/tasks_running").map_or(0.0, |(_, count)| count);
    assert_eq!((master.back, known as usize), (agents, agents * FRAMEWORKS * TASKS_OF_EACH));
    let report = |what: &str, time: Duration| {
        println!("{:<62}{known:>10}{:>9.0} ms", format!("{agents} agents: {what}"), time.as_secs_f64() * 1e3);
    };
    report("decode", decoding);
    report("the core", total.saturating_sub(decoding));
    report("the whole", total);
    let start = Clock::start();
    master.step(Input::Timer(Timer::Allocate));
    report("first allocation", start.elapsed());
}

/// The master that begins with the registry of the one before it.
struct Successor {
    master: Master,
    metrics: Arc<Metrics>,
    outbox: Outbox,
    steps: u64,
    back: usize,
}

impl Successor {
    fn new(infos: &[Arc<v1::AgentInfo>]) -> Self {
        let mut registry = RegistryState::default();
        for (index, info) in infos.iter().enumerate() {
            let record = AgentRecord { info: info.clone(), pid: Some(pid(index)), drain: None, deactivated: false };
            registry.agents.insert(AgentId::from(info.id.as_ref().unwrap()), record);
        }
        let config = Config::new("127.0.0.1:5050".parse().unwrap(), "master.example");
        let metrics = Arc::new(Metrics::default());
        let master = Master::new(config, [7; 32], metrics.clone(), registry);
        let mut successor = Successor { master, metrics, outbox: Outbox::default(), steps: 0, back: 0 };
        successor.step(Input::Elected);
        successor
    }

    fn step(&mut self, input: Input) {
        self.steps += 1;
        let now = Duration::from_micros(self.steps);
        let now = Now { monotonic: Monotonic::from_start(now), wall: Timestamp::from_nanos(now.as_nanos() as u64) };
        self.master.step(now, input, &mut self.outbox);
        let answer = |effect: &Effect| matches!(effect, Effect::Send { message, .. } if message.name().ends_with("SlaveReregisteredMessage"));
        self.back += self.outbox.drain().filter(answer).count();
    }
}

fn pid(index: usize) -> Upid {
    Upid::new("slave(1)", format!("10.{}.{}.{}:5051", index >> 16, index >> 8 & 255, index & 255).parse().unwrap())
}

fn agent_info(index: usize) -> Arc<v1::AgentInfo> {
    Arc::new(v1::AgentInfo {
        id: Some(v1::AgentId { value: format!("5e8c6a7e-6d0e-4b44-9d0f-3d0a2b1c4f5e-S{index}") }),
        hostname: format!("agent-{index}.example"),
        port: Some(5051),
        resources: resources("cpus:24;mem:65536;disk:102400;ports:[31000-32000]"),
        ..Default::default()
    })
}

fn resources(text: &str) -> Vec<v1::Resource> {
    Resources::parse(text, "*").unwrap().to_proto()
}

fn reregistration(info: &Arc<v1::AgentInfo>) -> internal::ReregisterSlaveMessage {
    let agent = info.id.clone().unwrap();
    let frameworks: Vec<_> = (0..FRAMEWORKS).map(framework).collect();
    let tasks = frameworks.iter().flat_map(|framework| (0..TASKS_OF_EACH).map(|n| task(&agent, framework, n)));
    internal::ReregisterSlaveMessage {
        tasks: tasks.collect(),
        slave: (**info).clone(),
        frameworks,
        version: Some("1.11.0".to_owned()),
        agent_capabilities: (1..=8).map(|kind| v1::agent_info::Capability { r#type: Some(kind) }).collect(),
        ..Default::default()
    }
}

fn framework(index: usize) -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        user: "user".to_owned(),
        name: format!("framework-{index}"),
        id: Some(v1::FrameworkId { value: format!("5e8c6a7e-6d0e-4b44-9d0f-3d0a2b1c4f5e-{index:04}") }),
        roles: vec![format!("role-{index}")],
        capabilities: vec![v1::framework_info::Capability {
            r#type: Some(v1::framework_info::capability::Type::MultiRole.into()),
        }],
        ..Default::default()
    }
}

fn task(agent: &v1::AgentId, framework: &v1::FrameworkInfo, number: usize) -> v1::Task {
    let mut resources = resources("cpus:1;mem:1024");
    for resource in &mut resources {
        resource.allocation_info = Some(AllocationInfo { role: framework.roles.first().cloned() });
    }
    v1::Task {
        name: "task".to_owned(),
        task_id: v1::TaskId { value: format!("{}-{}-{number}", agent.value, framework.name) },
        framework_id: framework.id.clone().unwrap(),
        agent_id: agent.clone(),
        state: v1::TaskState::TaskRunning.into(),
        status_update_state: Some(v1::TaskState::TaskRunning.into()),
        resources,
        ..Default::default()
    }
}
