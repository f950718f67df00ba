//! The cost of input: no input of a peer takes more than a hundred times its bytes in memory, or time that grows faster
//! than its bytes. Every string and every list of every call and message is filled, one after the other, and processed
//! like any input: decoding, validation, the step of the core and an allocation run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
mod samples;

use std::alloc::System;
use std::collections::BTreeMap;
use std::time::Duration;

use common::{AgentPeer, Cluster, Scheduler, reregister};
use master::{Caller, Input, OperatorCall, SchedulerCall, SchedulerSubscribe};
use messages::Message;
use messages::schema::{FieldDescriptor, HasDescriptor, Kind, Label, MessageDescriptor};
use messages::v1;
use model::{ReplyId, StreamId};
use samples::{Samples, insert};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wire::Limits;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bytes of memory that are allowed per byte on the wire.
const FACTOR: usize = 100;
/// The cost that any input may have, however short: names of roles become entries of several tables.
const FLOOR: usize = 2 << 20;
/// The bytes of a filled field.
const FILL: usize = 64 << 10;
/// The number of places of a call in which a field of a message is filled.
const WAYS: usize = 2;
/// The time that a debug build may take for a filled field on a busy machine.
const TIME: Duration = Duration::from_secs(2);

/// A cluster in which the calls have an effect.
struct Subject {
    cluster: Cluster,
    scheduler: Scheduler,
    agent: AgentPeer,
    offer: String,
}

impl Subject {
    fn new() -> Self {
        let mut cluster = Cluster::new();
        let agent = cluster.agent("cpus:100000;mem:10000000;disk:1000000;ports:[1-65000]");
        let scheduler = cluster.framework();
        let offer = cluster.offered(&scheduler).first().map(|offer| offer.id.value.clone()).unwrap_or_default();
        cluster.forget();
        Subject { cluster, scheduler, agent, offer }
    }

    fn samples(&self) -> Samples {
        Samples { framework: self.scheduler.id.clone(), agent: self.agent.id.clone(), offer: self.offer.clone() }
    }

    fn take(&mut self, input: Input) {
        self.cluster.deliver(input);
        self.cluster.settle();
    }
}

/// A function that processes encoded bytes.
type Take = fn(&mut Subject, &[u8]);

fn scheduler_call(subject: &mut Subject, bytes: &[u8]) {
    let Ok(call) = wire::decode::<v1::scheduler::Call>(bytes, &Limits::default()) else { return };
    if validation::scheduler_call::validate(&call, None).is_err() {
        return;
    }
    match call.subscribe {
        Some(subscribe) if call.framework_id.is_none() => subject.take(Input::SchedulerSubscribe(SchedulerSubscribe {
            stream: StreamId(uuid::Uuid::from_u128(77)),
            caller: Caller::default(),
            subscribe,
        })),
        _ => subject.take(Input::SchedulerCall(SchedulerCall {
            reply: ReplyId(77),
            caller: Caller::default(),
            stream: Some(Ok(subject.scheduler.stream)),
            call: Box::new(call),
        })),
    }
}

fn master_call(subject: &mut Subject, bytes: &[u8]) {
    let Ok(call) = wire::decode::<v1::master::Call>(bytes, &Limits::default()) else { return };
    if validation::master_call::validate(&call).is_ok() {
        subject.take(Input::OperatorCall(OperatorCall {
            reply: ReplyId(77),
            caller: Caller::default(),
            call: Box::new(call),
        }));
    }
}

fn executor_call(_: &mut Subject, bytes: &[u8]) {
    if let Ok(call) = wire::decode::<v1::executor::Call>(bytes, &Limits::default()) {
        let _ = validation::executor_call::validate(&call);
    }
}

fn agent_call(_: &mut Subject, bytes: &[u8]) {
    if let Ok(call) = wire::decode::<v1::agent::Call>(bytes, &Limits::default()) {
        let _ = validation::agent_call::validate(&call);
    }
}

fn peer_message(name: &'static str) -> impl Fn(&mut Subject, &[u8]) {
    move |subject, bytes| {
        let Ok(message) = wire::decode_message(name, bytes, &Limits::default()) else { return };
        let from = match &message {
            Message::RegisterSlave(_) => "slave(1)@127.0.0.1:7777".parse().unwrap(),
            _ => subject.agent.pid.clone(),
        };
        subject.cluster.send(&from, message);
        subject.cluster.settle();
    }
}

/// Returns the time that this thread has computed.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Processes the JSON of a message and reports it if it costs too much.
fn check(what: &str, desc: &MessageDescriptor, given: &Value, take: &dyn Fn(&mut Subject, &[u8])) -> Option<String> {
    let text = given.to_string();
    let mut subject = Subject::new();
    let before = (ALLOCATOR.stats(), cpu_time());
    let Ok(bytes) = wire::json::read_bytes(desc, text.as_bytes(), &Limits::default()) else {
        return complaint(what, text.len(), before);
    };
    if let Some(complaint) = complaint(what, text.len(), before) {
        return Some(complaint);
    }
    let before = (ALLOCATOR.stats(), cpu_time());
    take(&mut subject, &bytes);
    complaint(what, bytes.len(), before)
}

fn complaint(what: &str, size: usize, before: (stats_alloc::Stats, Duration)) -> Option<String> {
    let memory = (ALLOCATOR.stats() - before.0).bytes_allocated;
    let time = cpu_time() - before.1;
    if std::env::var_os("COSTS").is_some() {
        eprintln!("{:8} {memory:10} {time:?} {what}", memory / size.max(1));
    }
    let too_much = memory > FACTOR * size + FLOOR || time > TIME;
    too_much.then(|| format!("{what}: {size} bytes cost {memory} bytes and {time:?}"))
}

/// Fills each field below `desc`, one after the other.
fn sweep(desc: &'static MessageDescriptor, base: &Value, take: &dyn Fn(&mut Subject, &[u8])) -> Vec<String> {
    let samples = Subject::new().samples();
    let mut complaints = Vec::new();
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    each_field(desc, &mut Vec::new(), &mut |owner, path| {
        let times = seen.entry((owner.name, path[path.len() - 1].name)).or_default();
        *times += 1;
        if *times > WAYS {
            return;
        }
        let names: Vec<&str> = path.iter().map(|field| field.name).collect();
        let what = format!("{} {}", desc.name, names.join("."));
        for (variant, value) in fillings(path, &samples) {
            let mut given = base.clone();
            insert(desc, &mut given, path, value, &samples);
            complaints.extend(check(&format!("{what} ({variant})"), desc, &given, take));
        }
    });
    complaints
}

/// Calls `visit` with the path to every field that can be long. Types that contain themselves are entered once.
fn each_field(
    desc: &'static MessageDescriptor,
    path: &mut Vec<&'static FieldDescriptor>,
    visit: &mut dyn FnMut(&'static MessageDescriptor, &[&'static FieldDescriptor]),
) {
    for field in desc.fields {
        path.push(field);
        if matches!(field.kind, Kind::String | Kind::Bytes | Kind::Map(_)) || field.label == Label::Repeated {
            visit(desc, path);
        }
        if let Kind::Message(nested) = field.kind
            && !path[..path.len() - 1]
                .iter()
                .any(|above| matches!(above.kind, Kind::Message(m) if m.name == nested.name))
        {
            each_field(nested, path, visit);
        }
        path.pop();
    }
}

/// Returns named values of about [`FILL`] bytes.
fn fillings(path: &[&'static FieldDescriptor], samples: &Samples) -> Vec<(&'static str, Value)> {
    let Some(field) = path.last() else { return Vec::new() };
    let list = |element: &dyn Fn(usize) -> Value| {
        let each = element(0).to_string().len() + 1;
        Value::Array((0..(FILL / each).clamp(1, 20_000)).map(element).collect())
    };
    if let Kind::Map(entry) = field.kind {
        let value = |i: usize| samples.value(&entry.fields[1], i);
        let each = value(0).to_string().len() + 8;
        return vec![("keys", (0..FILL / each).map(|i| (format!("k{i}"), value(i))).collect())];
    }
    match (field.label, field.kind) {
        (Label::Repeated, Kind::Message(_)) => {
            vec![("elements", list(&|i| samples.value(field, i))), ("empty elements", list(&|_| json!({})))]
        }
        (Label::Repeated, Kind::String) => {
            let deep = |i: usize| Value::from(format!("{i}{}", "/a".repeat(31)));
            vec![
                ("elements", list(&|i| Value::from(format!("a{i}")))),
                ("deep elements", list(&deep)),
                ("one long element", json!(["a".repeat(FILL)])),
                ("one deep element", json!([format!("a{}", "/a".repeat(FILL / 2))])),
            ]
        }
        (Label::Repeated, _) => vec![("elements", list(&|i| samples.value(field, i)))],
        _ => {
            vec![("long", Value::from("a".repeat(FILL))), ("deep", Value::from(format!("a{}", "/a".repeat(FILL / 2))))]
        }
    }
}

fn hold(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} fields cost too much:\n{}", complaints.len(), complaints.join("\n"));
}

/// This is one test, since the allocator counts for the whole program.
#[test]
fn the_cost_of_an_input_is_proportional_to_its_size() {
    let mut complaints = Vec::new();
    let subject = Subject::new();
    let samples = subject.samples();
    let framework: Value = serde_json::from_slice(&wire::json::encode(&common::framework_info())).unwrap();
    let mut updated = framework.clone();
    updated["id"] = json!({"value": samples.framework});

    let calls: [(&'static MessageDescriptor, Value, Take); 4] = [
        (
            v1::scheduler::Call::desc(),
            json!({"framework_id": {"value": samples.framework}, "update_framework": {"framework_info": updated},
                   "accept": {"offer_ids": [{"value": samples.offer}]}}),
            scheduler_call,
        ),
        (v1::master::Call::desc(), json!({}), master_call),
        (
            v1::executor::Call::desc(),
            json!({"framework_id": {"value": samples.framework}, "executor_id": {"value": "e"}}),
            executor_call,
        ),
        (v1::agent::Call::desc(), json!({}), agent_call),
    ];
    for (desc, base, take) in calls {
        complaints.extend(sweep(desc, &base, &take));
    }
    let subscribe = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": framework}});
    complaints.extend(sweep(v1::scheduler::Call::desc(), &subscribe, &scheduler_call));

    let json = |message: Vec<u8>| serde_json::from_slice::<Value>(&message).unwrap();
    let registers = json(wire::json::encode(&common::register("cpus:1")));
    let returns = json(wire::json::encode(&reregister(&subject.agent, "cpus:1")));
    let updates = json(wire::json::encode(&common::update(
        &subject.agent,
        &subject.scheduler.id,
        "t",
        v1::TaskState::TaskRunning,
        1,
    )));
    let peers = [
        ("mesos.internal.RegisterSlaveMessage", registers),
        ("mesos.internal.ReregisterSlaveMessage", returns),
        ("mesos.internal.StatusUpdateMessage", updates),
        ("mesos.internal.UpdateSlaveMessage", json!({"slave_id": {"value": samples.agent}})),
        ("mesos.internal.UpdateOperationStatusMessage", json!({})),
        ("mesos.internal.ExecutorToFrameworkMessage", json!({})),
        ("mesos.internal.ExitedExecutorMessage", json!({})),
        ("mesos.internal.UnregisterSlaveMessage", json!({})),
        ("mesos.internal.RegisterFrameworkMessage", json!({"framework": framework})),
        ("mesos.internal.ReregisterFrameworkMessage", json!({"framework": framework})),
        ("mesos.internal.LaunchTasksMessage", json!({"framework_id": {"value": samples.framework}})),
        ("mesos.internal.ReconcileTasksMessage", json!({"framework_id": {"value": samples.framework}})),
        ("mesos.internal.ResourceRequestMessage", json!({"framework_id": {"value": samples.framework}})),
        ("tepui.AgentHealth", json!({})),
    ];
    for (name, base) in peers {
        let Ok(Some(desc)) = Message::descriptor_of(name) else { panic!("{name} has no descriptor") };
        complaints.extend(sweep(desc, &base, &peer_message(name)));
    }
    hold(complaints);
}
