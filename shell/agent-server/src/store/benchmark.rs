//! Measures how many status updates of concurrent tasks one agent makes durable, and with how many flushes of the disk.
//!
//! The core, the log and the disk are real; the test acts as master, executors and sockets. Every task has one
//! unconfirmed update at all times, and sends the next once it is confirmed. The master acknowledges each update, which
//! is a record as well.
//!
//! `cargo test --release -p agent-server --lib durable_updates -- --ignored --nocapture`

use machine::StateMachine;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use ::agent::{
    Agent, Command, Config, ContainerCommand, ContainerEvent, Effect, ExecutorCall, ExecutorSubscribe, Input, Metrics,
    Outbox, PeerMessage, Timer,
};
use messages::v1::executor::{Call, call, event};
use messages::{Message, internal, v1};
use model::{Monotonic, Now, ReplyId, StreamId, Timestamp, Upid};

use super::{Records, open};

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
        machine.send_from_master(internal::SlaveRegisteredMessage { slave_id: agent_id(), connection: None });
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
        let from: Upid = MASTER.parse().expect("a pid");
        self.input(Input::Message(PeerMessage {
            caller: model::Caller::default(),
            from,
            to: "slave(1)".into(),
            message: message.into(),
        }));
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

    /// Reacts to an effect as the outside would.
    fn answer(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Store { token, record } => {
                self.store.store(token, record);
                None
            }
            Effect::Command(Command::Container(ContainerCommand::Launch(launch))) => {
                let event = ContainerEvent::Launched { container: launch.container.clone(), pid: 1 };
                self.tasks
                    .insert(StreamId(uuid::Uuid::from_u128(self.tasks.len() as u128)), launch.executor.to_string());
                Some(Input::Container(event))
            }
            Effect::Event { stream, event } if event.r#type() == event::Type::Acknowledged => {
                self.confirmed += 1;
                (self.confirmed + TASKS <= self.wanted).then(|| self.update(stream))
            }
            Effect::Send { message: Message::StatusUpdate(message), to, .. } => {
                let acknowledgement = internal::StatusUpdateAcknowledgementMessage {
                    slave_id: agent_id(),
                    framework_id: framework_id(),
                    task_id: message.update.status.task_id,
                    uuid: message.update.uuid.unwrap_or_default(),
                };
                let message = acknowledgement.into();
                Some(Input::Message(PeerMessage {
                    caller: model::Caller::default(),
                    from: to,
                    to: "slave(1)".into(),
                    message,
                }))
            }
            _ => None,
        }
    }

    fn update(&mut self, stream: StreamId) -> Input {
        self.made += 1;
        let task = &self.tasks[&stream];
        let status = v1::TaskStatus {
            task_id: v1::TaskId { value: task.clone() },
            state: v1::TaskState::TaskRunning as i32,
            uuid: Some((self.made | 1 << 100).to_be_bytes().to_vec()),
            message: Some(format!("update {}", self.made)),
            ..Default::default()
        };
        let update = Some(Box::new(call::Update { status }));
        let call = Call { update, ..call(task, call::Type::Update) };
        Input::ExecutorCall(ExecutorCall {
            caller: model::Caller::default(),
            reply: ReplyId(self.made as u64),
            call: Box::new(call),
        })
    }

    fn subscribe(&mut self, stream: StreamId) {
        let subscribe = Some(Box::new(call::Subscribe::default()));
        let call = Call { subscribe, ..call(&self.tasks[&stream], call::Type::Subscribe) };
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

fn agent_id() -> v1::AgentId {
    v1::AgentId { value: AGENT.into() }
}

fn framework_id() -> v1::FrameworkId {
    v1::FrameworkId { value: "F".into() }
}

fn call(executor: &str, kind: call::Type) -> Call {
    Call {
        executor_id: v1::ExecutorId { value: executor.to_owned() },
        framework_id: framework_id(),
        r#type: Some(kind as i32),
        ..Default::default()
    }
}

fn run_task(number: usize) -> internal::RunTaskMessage {
    let scalar = |name: &str, value: f64| v1::Resource {
        name: name.into(),
        scalar: Some(v1::value::Scalar { value }),
        allocation_info: Some(v1::resource::AllocationInfo { role: Some("*".into()) }),
        ..Default::default()
    };
    let command = v1::CommandInfo { value: Some("sleep 1000".into()), ..Default::default() };
    internal::RunTaskMessage {
        framework: v1::FrameworkInfo {
            user: "root".into(),
            name: "f".into(),
            id: Some(framework_id()),
            checkpoint: Some(true),
            ..Default::default()
        },
        pid: Some(Upid::none().to_string()),
        task: v1::TaskInfo {
            name: "t".into(),
            task_id: v1::TaskId { value: format!("t{number}") },
            agent_id: agent_id(),
            resources: vec![scalar("cpus", 0.1), scalar("mem", 32.0)],
            command: Some(Box::new(command)),
            ..Default::default()
        },
        ..Default::default()
    }
}

#[test]
#[ignore = "a measurement that depends on the disk"]
fn durable_updates() {
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
    (machine.confirmed, machine.wanted) = (0, UPDATES);
    let begun = Instant::now();
    for stream in streams {
        let first = machine.update(stream);
        machine.input(first);
    }
    machine.until(|machine| machine.confirmed >= UPDATES);
    let took = begun.elapsed().as_secs_f64();
    let flushes = machine.store.statistics().flushes.load(Ordering::Relaxed) - flushes;
    let records = machine.store.statistics().records.load(Ordering::Relaxed) - records;
    println!(
        "{TASKS} tasks, {UPDATES} updates in {took:.2} s: {:.0} durable updates/s, {records} records, {flushes} flushes, \
         {:.4} flushes per update",
        UPDATES as f64 / took,
        flushes as f64 / UPDATES as f64
    );
}
