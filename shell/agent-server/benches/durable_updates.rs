//! Measures how many status updates of concurrent tasks one agent makes durable, and with how many flushes of the disk.
//!
//! The core, the log and the disk are real; the program acts as master, executors and sockets. Every task has one
//! unconfirmed update at all times, and sends the next once it is confirmed. The master acknowledges each update, which
//! is a record as well.
//!
//! `cargo bench -p agent-server --bench durable_updates` prints a line; a number as an argument is the number of updates.
//! The result depends on the disk of the system's directory for temporary files (`TMPDIR`).
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program of its own"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use ::agent::{
    Agent, Command, Config, ContainerCommand, ContainerEvent, Effect, ExecutorCall, ExecutorSubscribe, Input, Metrics,
    Outbox, Timer,
};
use machine::StateMachine;
use messages::v1::executor::{call, event};
use messages::{Message, internal, v1};
use model::{Monotonic, Now, ReplyId, StreamId, Timestamp, Upid};
use testkit::builders::*;

use agent_server::records::{Records, open};

const TASKS: usize = 500;
const UPDATES: usize = 20_000;
const AGENT: &str = "S0";
const MASTER: &str = "master@10.0.0.1:5050";

struct Bench {
    agent: Agent,
    store: Records,
    stored: Receiver<Input>,
    outbox: Outbox,
    begun: Instant,
    /// The tasks by the streams of their executors.
    tasks: HashMap<StreamId, String>,
    made: u128,
    confirmed: usize,
    wanted: usize,
}

impl Bench {
    fn new(work: &std::path::Path) -> Self {
        let resources = resources::Resources::parse("cpus:1000;mem:1000000", "*").expect("resources");
        let config = Config::new("slave(1)@10.0.0.2:5051".parse().expect("a pid"), "host", work, resources);
        // The channel is never full, because the tasks bound the records in progress.
        let (confirmed_to, stored) = sync_channel(TASKS * 16);
        let opened = open(work, true).expect("a log");
        let recovered_state = opened.recovered_state.clone();
        let store = opened.write(recovered_state, move |input| drop(confirmed_to.send(input))).expect("a writer");
        let mut machine = Bench {
            agent: Agent::new(config, [1; 32], Arc::new(Metrics::default())),
            store,
            stored,
            outbox: Outbox::default(),
            begun: Instant::now(),
            tasks: HashMap::new(),
            made: 0,
            confirmed: 0,
            wanted: 0,
        };
        let now = machine.now();
        machine.agent.start(now, &mut machine.outbox);
        let info = v1::MasterInfo { id: "M".into(), pid: Some(MASTER.into()), ..Default::default() };
        machine.input(Input::MasterDetected(Some(Box::new(info))));
        machine.input(Input::Timer(Timer::Register));
        machine.send_from_master(internal::SlaveRegisteredMessage { slave_id: agent_id(AGENT), connection: None });
        machine
    }

    fn now(&self) -> Now {
        let passed = self.begun.elapsed();
        Now {
            monotonic: Monotonic::default() + passed,
            wall: Timestamp::from_nanos(1_700_000_000_000_000_000 + passed.as_nanos() as u64),
        }
    }

    fn send_from_master(&mut self, message: impl Into<Message>) {
        let from = upid(MASTER);
        self.input(Input::Message(peer_message(from, "slave(1)", message)));
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut outbox = std::mem::take(&mut self.outbox);
            self.agent.step(self.now(), input, &mut outbox);
            for effect in outbox.drain() {
                inputs.extend(self.answer(effect));
            }
            self.outbox = outbox;
        }
    }

    /// Reacts to an effect as the surroundings of an agent do.
    fn answer(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Store { token, record } => {
                self.store.store(token, record);
                None
            }
            Effect::Command(Command::Container(ContainerCommand::Launch(launch))) => {
                let event =
                    ContainerEvent::Launched { container: launch.container.clone(), pid: 1, networks: Vec::new() };
                self.tasks.insert(stream_id(self.tasks.len() as u128), launch.executor.to_string());
                Some(Input::Container(event))
            }
            Effect::Event { stream, event } if event.r#type() == event::Type::Acknowledged => {
                self.confirmed += 1;
                (self.confirmed + TASKS <= self.wanted).then(|| self.update(stream))
            }
            Effect::Send { message: Message::StatusUpdate(message), to, .. } => {
                let acknowledgement = internal::StatusUpdateAcknowledgementMessage {
                    slave_id: agent_id(AGENT),
                    framework_id: framework_id("F"),
                    task_id: message.update.status.task_id,
                    uuid: message.update.uuid.unwrap_or_default(),
                };
                Some(Input::Message(peer_message(to, "slave(1)", acknowledgement)))
            }
            _ => None,
        }
    }

    fn update(&mut self, stream: StreamId) -> Input {
        self.made += 1;
        let task = &self.tasks[&stream];
        let uuid = (self.made | 1 << 100).to_be_bytes().to_vec();
        let status = v1::TaskStatus {
            message: Some(format!("update {}", self.made)),
            ..status(task, v1::TaskState::TaskRunning, uuid)
        };
        let call = executor_update("F", task, status);
        Input::ExecutorCall(ExecutorCall {
            caller: model::Caller::default(),
            reply: ReplyId(self.made as u64),
            call: Box::new(call),
        })
    }

    fn subscribe(&mut self, stream: StreamId) {
        let call = executor_subscribe("F", &self.tasks[&stream], call::Subscribe::default());
        self.input(Input::ExecutorSubscribe(ExecutorSubscribe {
            caller: model::Caller::default(),
            reply: ReplyId(0),
            stream,
            call: Box::new(call),
        }));
    }

    /// Hands confirmations of the disk to the core until `done` holds.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let stored = self.stored.recv_timeout(Duration::from_secs(20)).expect("the disk answers");
            self.input(stored);
        }
    }
}

fn run_task(number: usize) -> internal::RunTaskMessage {
    let resources = resources("cpus:0.1;mem:32").allocated_to("*");
    internal::RunTaskMessage {
        framework: framework("f").with_id("F").checkpointed(),
        pid: Some(Upid::none().to_string()),
        task: task(&format!("t{number}")).on(AGENT).with_resources(resources).running("sleep 1000"),
        ..Default::default()
    }
}

fn main() {
    // cargo passes `--bench`.
    let updates = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(UPDATES);
    let work = tempfile::tempdir().unwrap();
    let mut machine = Bench::new(work.path());
    for number in 0..TASKS {
        machine.send_from_master(run_task(number));
    }
    machine.until(|machine| machine.tasks.len() == TASKS);
    let streams: Vec<StreamId> = machine.tasks.keys().copied().collect();
    for stream in &streams {
        machine.subscribe(*stream);
    }
    let flushes = machine.store.statistics().flushes.load(Ordering::Relaxed);
    let records = machine.store.statistics().records.load(Ordering::Relaxed);
    (machine.confirmed, machine.wanted) = (0, updates);
    let begun = Instant::now();
    for stream in streams {
        let first = machine.update(stream);
        machine.input(first);
    }
    machine.until(|machine| machine.confirmed >= updates);
    let took = begun.elapsed().as_secs_f64();
    let flushes = machine.store.statistics().flushes.load(Ordering::Relaxed) - flushes;
    let records = machine.store.statistics().records.load(Ordering::Relaxed) - records;
    println!(
        "{TASKS} tasks, {updates} updates in {took:.2} s: {:.0} durable updates/s, {records} records, {flushes} flushes, \
         {:.4} flushes per update",
        updates as f64 / took,
        flushes as f64 / updates as f64
    );
}
