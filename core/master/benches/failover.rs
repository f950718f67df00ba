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
use master::{AgentRecord, Config, Effect, Input, Master, Metrics, Outbox, RegistryState, Timer};
use messages::schema::HasDescriptor;
use messages::v1::framework_info::capability::Type::MultiRole;
use messages::{internal, v1};
use model::{AgentId, Monotonic, Now, Timestamp, Upid};
use testkit::builders::*;
use wire::Limits;

const FRAMEWORKS: usize = 5;
const TASKS_OF_EACH: usize = 2;
/// The id of the master that gave the ids out.
const PREFIX: &str = "5e8c6a7e-6d0e-4b44-9d0f-3d0a2b1c4f5e";

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
        master.step(Input::Message(peer_message(pid(index), "master", message)));
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
    let resources = resources("cpus:24;mem:65536;disk:102400;ports:[31000-32000]");
    let info = agent(&format!("agent-{index}.example"), resources);
    Arc::new(v1::AgentInfo { id: Some(agent_id(format!("{PREFIX}-S{index}"))), ..info })
}

fn reregistration(info: &Arc<v1::AgentInfo>) -> internal::ReregisterSlaveMessage {
    let agent = info.id.clone().unwrap();
    let frameworks: Vec<_> = (0..FRAMEWORKS).map(framework_of).collect();
    let tasks = frameworks.iter().flat_map(|framework| (0..TASKS_OF_EACH).map(|n| task_of(&agent, framework, n)));
    let agent = reregister_agent(&agent.value, (**info).clone());
    internal::ReregisterSlaveMessage { tasks: tasks.collect(), frameworks, ..agent }
}

fn framework_of(index: usize) -> v1::FrameworkInfo {
    framework(&format!("framework-{index}"))
        .with_id(&format!("{PREFIX}-{index:04}"))
        .with_roles(&[&format!("role-{index}")])
        .with_capabilities(&[MultiRole])
}

fn task_of(agent: &v1::AgentId, framework: &v1::FrameworkInfo, number: usize) -> v1::Task {
    v1::Task {
        name: "task".to_owned(),
        task_id: task_id(format!("{}-{}-{number}", agent.value, framework.name)),
        framework_id: framework.id.clone().unwrap(),
        agent_id: agent.clone(),
        state: v1::TaskState::TaskRunning.into(),
        status_update_state: Some(v1::TaskState::TaskRunning.into()),
        resources: resources("cpus:1;mem:1024").allocated_to(&framework.roles[0]),
        ..Default::default()
    }
}
