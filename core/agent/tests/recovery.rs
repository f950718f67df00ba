//! Crashes at any moment: the next process of the agent knows everything that was confirmed, and every running
//! container.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken promise fails the test")]

mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::{
    Agent, Command, Config, ContainerCommand, ContainerEvent, ContainerExit, Effect, ExecutorCall, ExecutorSubscribe,
    Incompatible, Input, Metrics, Outbox, Record, RecoveredState, Recovery, Timer,
};
use machine::StateMachine;
use messages::v1::executor::{call, event};
use messages::{Message, internal, v1};
use model::agent::Change;
use model::{ContainerId, Monotonic, Now, ReplyId, Timestamp};
use proptest::prelude::*;
use resources::Resources;
use scenario::*;
use testkit::builders::{executor_id, executor_subscribe, executor_update, peer_message, stream_id, task_id};
use testkit::core::{Environment, Harness, Inputs};

#[derive(Debug, Clone)]
enum Action {
    Run(u8),
    Subscribe(u8),
    Update(u8, u8),
    Exit(u8),
    Acknowledge(u8),
    Stored(u8),
    Crash,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let act = prop_oneof![
        4 => (0..6u8).prop_map(Action::Run),
        4 => (0..6u8).prop_map(Action::Subscribe),
        8 => (0..6u8, 0..4u8).prop_map(|(task, state)| Action::Update(task, state)),
        1 => any::<u8>().prop_map(Action::Exit),
        5 => any::<u8>().prop_map(Action::Acknowledge),
        8 => (1..8u8).prop_map(Action::Stored),
        1 => Just(Action::Crash),
    ];
    proptest::collection::vec(act, 1..80)
}

const STATES: [v1::TaskState; 4] =
    [v1::TaskState::TaskStarting, v1::TaskState::TaskRunning, v1::TaskState::TaskFinished, v1::TaskState::TaskFailed];

type Uuid = Vec<u8>;

/// An agent that may crash, driven by its [`Harness`].
struct World {
    core: Harness<Outside>,
    processes: u8,
    replies: u64,
    streams: u128,
}

/// The surroundings of the agent: the disk, containers with their executors, and the framework.
#[derive(Default)]
struct Outside {
    disk: Vec<Record>,
    /// The running containers, with the task that each was started for.
    containers: BTreeMap<ContainerId, String>,
    /// The updates that executors made.
    made: BTreeSet<Uuid>,
    /// The tasks whose executor has reported their end.
    ended: BTreeSet<String>,
    /// The updates that the agent has confirmed to the executor.
    confirmed: BTreeMap<Uuid, String>,
    /// The updates that the framework has received.
    known: BTreeSet<Uuid>,
    /// The updates that are forwarded and not acknowledged, by task.
    in_flight: BTreeMap<String, Uuid>,
    /// The tasks whose end the framework has received.
    over: BTreeSet<String>,
    ends: BTreeMap<Uuid, String>,
    /// The containers that the agent has destroyed.
    ending: BTreeSet<ContainerId>,
    /// The last registration that the agent sent.
    registers: Option<&'static str>,
    terminated: bool,
    /// The number of executors that were told to shut down.
    shut_down: usize,
}

impl Environment for Outside {
    type Machine = Agent;

    fn keep(&mut self, record: &Record) {
        self.disk.push(record.clone());
    }

    fn observe(&mut self, _: Now, effect: &Effect) -> Option<Input> {
        match effect {
            Effect::Command(Command::Container(ContainerCommand::Launch(launch))) => {
                self.containers.insert(launch.container.clone(), launch.executor.to_string());
            }
            Effect::Command(Command::Container(ContainerCommand::Destroy { container })) => {
                assert!(self.containers.contains_key(container));
                self.ending.insert(container.clone());
            }
            Effect::Event { event, .. } if event.r#type() == event::Type::Shutdown => self.shut_down += 1,
            Effect::Command(Command::Terminate(_)) => self.terminated = true,
            Effect::Send { message: Message::RegisterSlave(_), .. } => self.registers = Some("a new one"),
            Effect::Send { message: Message::ReregisterSlave(_), .. } => self.registers = Some("as before"),
            Effect::Event { event, .. } if event.r#type() == event::Type::Acknowledged => {
                let acknowledged = event.acknowledged.as_ref().unwrap();
                self.confirmed.insert(acknowledged.uuid.clone(), acknowledged.task_id.value.clone());
            }
            Effect::Send { message: Message::StatusUpdate(message), .. } => {
                let update = &message.update;
                let (task, uuid) = (update.status.task_id.value.clone(), update.uuid.clone().unwrap());
                let by_executor = update.status.source == Some(v1::task_status::Source::Executor as i32);
                assert!(!by_executor || self.made.contains(&uuid), "an update with a new uuid");
                if [2, 3].map(|at| STATES[at] as i32).contains(&update.status.state) || !by_executor {
                    self.ends.insert(uuid.clone(), task.clone());
                }
                self.in_flight.insert(task, uuid);
            }
            _ => {}
        }
        None
    }
}

impl Deref for World {
    type Target = Outside;

    fn deref(&self) -> &Outside {
        &self.core.environment
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Outside {
        &mut self.core.environment
    }
}

fn config() -> Config {
    let resources = Resources::parse("cpus:4;mem:4096", "*").unwrap();
    let config = Config::new(upid(AGENT), "host", "/w", resources);
    Config { boot_id: Some("first boot".to_owned()), ..config }
}

/// Creates an agent; each process mints its own ids.
fn new_agent(seed: u8) -> Agent {
    Agent::new(config(), [seed; 32], Arc::new(Metrics::default()))
}

impl World {
    fn new() -> Self {
        let now = Now { monotonic: Monotonic::default(), wall: Timestamp::from_nanos(1) };
        let inputs = Inputs { timer: Input::Timer, stored: Input::Stored };
        let core = Harness::new(new_agent(0), Outside::default(), inputs, now);
        let mut world = World { core, processes: 0, replies: 0, streams: 0 };
        world.core.disk_is_slow = true;
        world.core.call(|agent, now, outbox| agent.start(now, outbox));
        world.register();
        world.store(usize::MAX);
        world
    }

    fn input(&mut self, input: Input) {
        self.core.deliver(input);
    }

    /// Returns the time at which the agent stops waiting for executors.
    fn reregister_deadline(&self) -> Option<Monotonic> {
        self.core.recorded.timers.get(&Timer::ExecutorReregistration).copied()
    }

    fn sends(&mut self, message: impl Into<Message>) {
        self.input(Input::Message(peer_message(upid(MASTER), "slave(1)", message)));
    }

    fn register(&mut self) {
        let info = v1::MasterInfo { id: "M".into(), pid: Some(MASTER.into()), ..Default::default() };
        self.input(Input::MasterDetected(Some(Box::new(info))));
        self.input(Input::Timer(Timer::Register));
        self.sends(internal::SlaveRegisteredMessage { slave_id: agent_id(), connection: None });
        self.sends(internal::SlaveReregisteredMessage { slave_id: agent_id(), ..Default::default() });
    }

    fn store(&mut self, count: usize) {
        for _ in 0..count {
            if !self.core.confirm_next() {
                return;
            }
        }
    }

    fn acknowledge(&mut self, task: &str) {
        let Some(uuid) = self.in_flight.remove(task) else { return };
        self.known.insert(uuid.clone());
        if self.ends.get(&uuid).is_some_and(|ended| ended == task) {
            self.over.insert(task.to_owned());
        }
        self.sends(internal::StatusUpdateAcknowledgementMessage {
            slave_id: agent_id(),
            framework_id: framework_id(),
            task_id: task_id(task),
            uuid,
        });
    }

    fn subscribe(&mut self, executor: &str) {
        self.replies += 1;
        self.streams += 1;
        let subscribe = call::Subscribe { unacknowledged_tasks: vec![task(executor)], ..Default::default() };
        let call = executor_subscribe("F", executor, subscribe);
        let stream = stream_id(self.streams);
        let reply = ReplyId(self.replies);
        self.input(Input::ExecutorSubscribe(ExecutorSubscribe {
            caller: model::Caller::default(),
            reply,
            stream,
            call: Box::new(call),
        }));
    }

    fn act(&mut self, act: &Action) {
        match act {
            Action::Run(number) => {
                let mut message = run_task(command(&format!("t{number}")));
                message.framework.checkpoint = Some(true);
                if !self.over.contains(&format!("t{number}")) {
                    self.sends(message);
                }
            }
            Action::Subscribe(number) if self.containers.values().any(|task| *task == format!("t{number}")) => {
                self.subscribe(&format!("t{number}"));
            }
            Action::Update(number, state) if self.containers.values().any(|task| *task == format!("t{number}")) => {
                let name = format!("t{number}");
                // Updates after the end of a task are confirmed and ignored.
                if self.ended.contains(&name) {
                    return;
                }
                if *state > 1 {
                    self.ended.insert(name.clone());
                }
                let status = status(&name, STATES[usize::from(*state)]);
                self.made.insert(status.uuid.clone().unwrap());
                self.replies += 1;
                let call = executor_update("F", &name, status);
                self.input(Input::ExecutorCall(ExecutorCall {
                    caller: model::Caller::default(),
                    reply: ReplyId(self.replies),
                    call: Box::new(call),
                }));
            }
            Action::Subscribe(_) | Action::Update(..) => {}
            Action::Exit(number) => {
                let container =
                    self.containers.keys().nth(usize::from(*number) % self.containers.len().max(1)).cloned();
                if let Some(container) = container {
                    self.exit(container);
                }
            }
            Action::Acknowledge(number) => {
                let task = self.in_flight.keys().nth(usize::from(*number) % self.in_flight.len().max(1)).cloned();
                if let Some(task) = task {
                    self.acknowledge(&task);
                }
            }
            Action::Stored(count) => self.store((*count).into()),
            Action::Crash => self.crash(),
        }
    }

    fn exit(&mut self, container: ContainerId) {
        self.containers.remove(&container);
        let exit = ContainerExit { status: Some(0), ..Default::default() };
        self.input(Input::Container(ContainerEvent::Exited { container, exit }));
    }

    /// Crashes the agent: records that are being written are lost, and so is its memory.
    fn crash(&mut self) {
        self.crash_leaving(BTreeMap::new());
    }

    /// Crashes the agent, and restarts it with the known ends of containers.
    fn crash_leaving(&mut self, ended: BTreeMap<ContainerId, ContainerExit>) {
        self.restart(config(), ended).unwrap();
        for task in self.containers.values().cloned().collect::<Vec<_>>() {
            self.subscribe(&task);
        }
        self.register();
    }

    /// Kills the agent (kill -9), and starts another process with this configuration.
    fn restart(&mut self, config: Config, ended: BTreeMap<ContainerId, ContainerExit>) -> Result<(), Incompatible> {
        self.in_flight.clear();
        self.ending.clear();
        (self.registers, self.terminated) = (None, false);
        let recovered_state: RecoveredState = self.disk.iter().cloned().collect();
        assert_eq!(recovered_state.records().into_iter().collect::<RecoveredState>(), recovered_state);
        let alive: BTreeMap<ContainerId, u32> = self.containers.keys().map(|id| (id.clone(), 1)).collect();
        for container in self.containers.keys() {
            assert!(recovered_state.containers().any(|known| known == container), "a running container is forgotten");
        }
        self.processes += 1;
        self.core.replace_machine(Agent::new(config, [self.processes; 32], Arc::new(Metrics::default())));
        let recovery = Recovery { recovered_state, alive, ended, ..Default::default() };
        self.core.call(|agent, now, outbox| agent.recover(now, recovery, outbox))?;
        self.core.call(|agent, now, outbox| agent.start(now, outbox));
        Ok(())
    }

    /// Lets everything end and all updates be acknowledged.
    fn settle(&mut self) {
        self.crash();
        for _ in 0..200 {
            self.store(usize::MAX);
            while let Some(container) = self.containers.keys().next().cloned() {
                self.exit(container);
            }
            for task in self.in_flight.keys().cloned().collect::<Vec<_>>() {
                self.acknowledge(&task);
            }
            if self.core.recorded.pending_stores.is_empty() && self.in_flight.is_empty() {
                return;
            }
        }
        panic!("the agent does not settle");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_crash_at_any_moment_loses_no_confirmed_record(actions in actions()) {
        let mut world = World::new();
        let mut started = BTreeSet::new();
        for act in &actions {
            world.act(act);
            started.extend(world.containers.values().cloned());
        }
        world.settle();
        for (uuid, task) in &world.confirmed {
            prop_assert!(world.known.contains(uuid), "an update of {task} was confirmed and never came");
        }
        for task in &started {
            prop_assert!(world.over.contains(task), "the framework never hears of the end of {task}");
        }
        let left: RecoveredState = world.disk.iter().cloned().collect();
        prop_assert_eq!(left.containers().count(), 0);
    }
}

/// Runs one task whose container ends while there is no agent.
fn ended_meanwhile(exit: impl FnOnce(&mut World) -> ContainerExit) -> World {
    let mut world = World::new();
    let mut message = run_task(command("t"));
    message.framework.checkpoint = Some(true);
    world.sends(message);
    world.store(usize::MAX);
    let (container, _) = world.containers.pop_first().expect("a container");
    let exit = exit(&mut world);
    world.crash_leaving(BTreeMap::from([(container, exit)]));
    world.store(usize::MAX);
    world
}

/// Returns the status that reports the end of the task to the framework.
fn told(world: &World) -> v1::TaskStatus {
    let told = world.disk.iter().rev().find_map(|record| match record {
        Record::Update { status, .. } => Some(status.clone()),
        _ => None,
    });
    (*told.expect("an update")).clone()
}

#[test]
fn the_last_updates_of_an_executor_end_its_task() {
    let mut world = ended_meanwhile(|world| {
        let uuid = vec![7; 16];
        world.made.insert(uuid.clone());
        let status = v1::TaskStatus {
            task_id: task_id("t"),
            executor_id: Some(executor_id("t")),
            state: v1::TaskState::TaskFinished as i32,
            uuid: Some(uuid),
            ..Default::default()
        };
        // The status is of a task that the executor never had.
        let strange = v1::TaskStatus { task_id: task_id("u"), ..status.clone() };
        ContainerExit { last_updates: vec![strange, status], ..Default::default() }
    });
    let status = told(&world);
    assert_eq!((status.state(), status.source()), (v1::TaskState::TaskFinished, v1::task_status::Source::Executor));
    world.acknowledge("t");
    world.store(usize::MAX);
    assert!(world.over.contains("t"));
    let left: RecoveredState = world.disk.iter().cloned().collect();
    assert_eq!(left.containers().count(), 0);
}

#[test]
fn a_recorded_end_of_an_executor_is_known() {
    let known = ended_meanwhile(|_| ContainerExit { status: Some(256), ..Default::default() });
    assert_eq!(told(&known).message(), "Executor terminated: exited with status 1");
    let unknown = ended_meanwhile(|_| ContainerExit::default());
    assert_eq!(told(&unknown).message(), "Abnormal executor termination: unknown container");
}

/// Returns an agent with tasks that run in executors which checkpoint.
fn with_tasks(tasks: &[&str]) -> World {
    let mut world = World::new();
    for task in tasks {
        let mut message = run_task(command(task));
        message.framework.checkpoint = Some(true);
        world.sends(message);
        world.store(usize::MAX);
        world.subscribe(task);
    }
    world
}

fn smaller() -> Config {
    Config { resources: Resources::parse("cpus:1;mem:512", "*").unwrap(), ..config() }
}

#[test]
fn the_agent_waits_while_executors_reconnect() {
    let mut world = with_tasks(&["a", "b", "c"]);
    world.restart(config(), BTreeMap::new()).unwrap();
    let begun = world.core.now().monotonic;
    let at = |seconds: f64| begun + Duration::from_secs_f64(seconds);
    let back = |world: &mut World, seconds: f64, task: &str| {
        world.core.pass_frozen(at(seconds).since(world.core.now().monotonic));
        world.subscribe(task);
    };
    let deadline_passes = |world: &mut World| world.core.pass_until(Timer::ExecutorReregistration);
    back(&mut world, 1.5, "b");
    deadline_passes(&mut world);
    assert_eq!(world.reregister_deadline(), Some(at(3.5)), "two seconds after the last one");
    back(&mut world, 3.0, "c");
    deadline_passes(&mut world);
    assert_eq!((world.ending.len(), world.reregister_deadline()), (0, Some(at(5.0))));
    deadline_passes(&mut world);
    let ending: Vec<&String> = world.ending.iter().map(|container| &world.containers[container]).collect();
    assert_eq!(ending, ["a"]);
    assert_eq!(world.reregister_deadline(), None);

    // The wait ends even if an executor reconnects again and again.
    world.restart(config(), BTreeMap::new()).unwrap();
    let begun = world.core.now().monotonic;
    while world.ending.is_empty() {
        world.core.pass_frozen(Duration::from_secs(1));
        world.subscribe("b");
        deadline_passes(&mut world);
    }
    assert_eq!(world.core.now().monotonic.since(begun), Duration::from_secs(60));
}

#[test]
fn cleanup_ends_everything_with_any_configuration() {
    let mut world = with_tasks(&["a", "b"]);
    let refused = world.restart(smaller(), BTreeMap::new()).unwrap_err();
    assert!(refused.to_string().starts_with("Incompatible agent info detected"), "{refused}");

    world.restart(Config { recover: agent::Recover::Cleanup, ..smaller() }, BTreeMap::new()).unwrap();
    world.subscribe("a");
    world.subscribe("b");
    assert_eq!(world.shut_down, 2);
    while let Some(container) = world.containers.keys().next().cloned() {
        assert!(!world.terminated);
        world.exit(container);
    }
    world.store(usize::MAX);
    assert!(world.terminated);
    world.restart(smaller(), BTreeMap::new()).unwrap();
    world.register();
    assert_eq!(world.registers, Some("a new one"));
}

#[test]
fn containers_end_and_the_agent_id_stays_after_a_reboot() {
    for (config, registers) in [(config(), "as before"), (smaller(), "a new one")] {
        let mut world = with_tasks(&["a"]);
        world.crash();
        world.store(usize::MAX);
        world.containers.clear();
        let rebooted = Config { boot_id: Some("second boot".to_owned()), ..config };
        world.restart(rebooted.clone(), BTreeMap::new()).unwrap();
        world.register();
        world.store(usize::MAX);
        assert_eq!(world.registers, Some(registers));
        if registers == "as before" {
            let told = told(&world);
            assert_eq!(told.state(), v1::TaskState::TaskFailed);
            assert_eq!(told.message(), "Abnormal executor termination: the machine has been restarted");
        }
        // The next restart is one of the agent alone, not of the machine.
        let before = world.disk.len();
        world.restart(rebooted, BTreeMap::new()).unwrap();
        world.store(usize::MAX);
        let again = world.disk[before..].iter().filter(|record| matches!(record, Record::BootId(_) | Record::Reset));
        assert_eq!(again.count(), 0);
    }
}

/// Returns the published executors that ended before, for an agent that finds these sandboxes.
fn recovered_completed(world: &World, sandboxes: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for record in &world.disk {
        if let Record::Executor { framework, container, info, .. } = record {
            let (agent, executor) = (agent_id().value, &info.executor_id.value);
            let path = format!("/w/slaves/{agent}/frameworks/{framework}/executors/{executor}/runs/{container}");
            found.extend(sandboxes.contains(&executor.as_str()).then(|| (path.into(), Duration::ZERO)));
        }
    }
    let recovered_state: RecoveredState = world.disk.iter().cloned().collect();
    let alive: BTreeMap<ContainerId, u32> = recovered_state.containers().map(|id| (id.clone(), 1)).collect();
    let (mut agent, mut outbox) = (new_agent(9), Outbox::default());
    agent
        .recover(
            world.core.now(),
            Recovery { recovered_state, alive, sandboxes: found, ..Default::default() },
            &mut outbox,
        )
        .unwrap();
    let tasks = |tasks: &[Arc<v1::Task>]| {
        tasks
            .iter()
            .map(|task| format!("{} {}", task.task_id.value, task.state().as_str_name()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let told = outbox.drain().filter_map(|effect| match effect {
        Effect::Publish(Change::CompletedFrameworkRecovered { executors, .. }) => Some(("ended", executors)),
        Effect::Publish(Change::CompletedExecutorsRecovered { executors, .. }) => Some(("goes on", executors)),
        _ => None,
    });
    told.flat_map(|(framework, executors)| {
        executors.into_iter().map(move |e| format!("{framework}: {} [{}]", e.snapshot.id, tasks(&e.tasks)))
    })
    .collect()
}

#[test]
fn ended_executors_are_kept_as_long_as_their_sandbox() {
    let mut world = World::new();
    world.act(&Action::Run(0));
    world.act(&Action::Run(1));
    world.store(usize::MAX);
    world.act(&Action::Subscribe(0));
    world.act(&Action::Update(0, 2));
    world.store(usize::MAX);
    world.acknowledge("t0");
    world.store(usize::MAX);
    assert_eq!(recovered_completed(&world, &["t0"]), [""; 0], "it has not ended");
    let container = world.containers.iter().find(|(_, task)| *task == "t0").map(|(container, _)| container.clone());
    world.exit(container.unwrap());
    world.store(usize::MAX);
    assert_eq!(recovered_completed(&world, &["t0", "t1"]), ["goes on: t0 [t0 TASK_FINISHED]"]);
    assert_eq!(recovered_completed(&world, &["t1"]), [""; 0], "nothing of it can be read any more");

    world.exit(world.containers.keys().next().unwrap().clone());
    world.store(usize::MAX);
    world.acknowledge("t1");
    world.store(usize::MAX);
    assert_eq!(
        recovered_completed(&world, &["t0", "t1"]),
        ["ended: t0 [t0 TASK_FINISHED]", "ended: t1 [t1 TASK_FAILED]"]
    );
}

#[test]
fn sandboxes_without_records_are_removed_on_time() {
    const HOUR: Duration = Duration::from_secs(3600);
    let run = |executor: &str| format!("/w/slaves/S/frameworks/F/executors/{executor}/runs/C").into();
    let (mut agent, mut outbox, now) = (new_agent(1), Outbox::default(), World::new().core.now());
    let sandboxes = vec![(run("young"), 120 * HOUR), (run("old"), 144 * HOUR)];
    agent.recover(now, Recovery { sandboxes, ..Default::default() }, &mut outbox).unwrap();
    // The delay is a week less the headroom on an empty disk.
    let due = |agent: &mut Agent, outbox: &mut Outbox, now: Now| {
        agent.step(now, Input::Timer(Timer::Gc), outbox);
        let removed = outbox.drain().filter_map(|effect| match effect {
            Effect::Command(Command::RemoveTree(path)) => {
                Some(path.display().to_string().replace("/w/slaves/S/frameworks/", ""))
            }
            _ => None,
        });
        removed.collect::<Vec<_>>().join(" ")
    };
    let armed = |outbox: &Outbox| {
        outbox.effects().iter().rev().find_map(|effect| match effect {
            Effect::Arm { timer: Timer::Gc, at } => Some(*at),
            _ => None,
        })
    };
    let after = |hours: f64| now.monotonic + HOUR.mul_f64(hours);
    assert!(armed(&outbox).is_some_and(|at| at > after(7.1) && at < after(7.3)), "{:?}", armed(&outbox));
    let at = |hours: f64| Now { monotonic: after(hours), ..now };
    assert_eq!(due(&mut agent, &mut outbox, at(7.3)), "F/executors/old/runs/C F/executors/old");
    assert_eq!(due(&mut agent, &mut outbox, at(31.0)), "");
    assert_eq!(due(&mut agent, &mut outbox, at(31.3)), "F/executors/young/runs/C F/executors/young F");
}

/// The bound is far above the time on any machine; it only excludes absurd times.
#[test]
fn a_thousand_containers_are_recovered_quickly() {
    let mut world = World::new();
    for number in 0..1000 {
        let mut message = run_task(command(&format!("t{number}")));
        message.framework.checkpoint = Some(true);
        world.sends(message);
    }
    world.store(usize::MAX);
    assert_eq!(world.containers.len(), 1000);
    let begun = Instant::now();
    world.crash();
    println!("1,000 containers, folded twice and recovered in {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20));
}
