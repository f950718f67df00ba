//! Extreme numbers: every numeric field of every call and message is given zero, negative, infinite, huge and undefined
//! values, one after the other. Each message is processed like any input: decoding, validation, the step of the core,
//! and the following hour. The tests of `validation` check whether a value is refused or has a meaning. This test
//! checks that no value leads to a panic, an overflow, or a busy core.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../cost_of_input/samples.rs"]
mod samples;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{AgentPeer, Cluster, Scheduler, reregister};
use master::{Caller, Input, OperatorCall, SchedulerCall, SchedulerSubscribe};
use messages::Message;
use messages::schema::{FieldDescriptor, HasDescriptor, Kind, MessageDescriptor};
use messages::v1;
use model::{ReplyId, StreamId};
use samples::{Samples, insert};
use serde_json::{Value, json};
use wire::Limits;

/// The placeholder of a double in JSON, which cannot represent NaN. No other field has this value.
const MARK: f64 = 1_234.531_25;
const DOUBLES: [f64; 10] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e-320, 1e15, 1e19, 1e308, -1e308];
/// The number of places of a message in which a field is tested.
const WAYS: usize = 2;
/// The most effects that an hour may have. Heartbeats, pings and allocation runs cause a few hundred.
const MAX_EFFECTS: usize = 20_000;

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
        let agent = cluster.agent("cpus:8;mem:8192;disk:8192;ports:[1-1000]");
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
        // The hour passes in steps, so that a timer that is always due again at once is noticed.
        for _ in 0..60 {
            self.cluster.pass(Duration::from_secs(60));
            assert!(self.cluster.recorded.effects.len() < MAX_EFFECTS, "the core is kept busy");
        }
    }
}

fn scheduler_call(subject: &mut Subject, bytes: &[u8]) {
    let Ok(call) = wire::decode::<v1::scheduler::Call>(bytes, &Limits::default()) else { return };
    if validation::scheduler_call::validate(&call, None).is_err() {
        return;
    }
    match call.subscribe {
        Some(subscribe) if call.framework_id.is_none() => {
            let stream = StreamId(uuid::Uuid::from_u128(77));
            subject.take(Input::SchedulerSubscribe(SchedulerSubscribe {
                stream,
                caller: Caller::default(),
                subscribe,
            }));
            // The end of the stream starts the failover timeout.
            subject.take(Input::StreamClosed(stream));
        }
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
        let call = OperatorCall { reply: ReplyId(77), caller: Caller::default(), call: Box::new(call) };
        subject.take(Input::OperatorCall(call));
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
        subject.cluster.pass(Duration::from_secs(3600));
    }
}

/// Calls `visit` with the path to every field that holds a number. Types that contain themselves are entered once.
fn each_number(
    desc: &'static MessageDescriptor,
    path: &mut Vec<&'static FieldDescriptor>,
    visit: &mut dyn FnMut(&'static MessageDescriptor, &[&'static FieldDescriptor]),
) {
    for field in desc.fields {
        path.push(field);
        match field.kind {
            Kind::Double | Kind::Float | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => visit(desc, path),
            Kind::Message(nested) => {
                let above = &path[..path.len() - 1];
                if !above.iter().any(|above| matches!(above.kind, Kind::Message(m) if m.name == nested.name)) {
                    each_number(nested, path, visit);
                }
            }
            _ => {}
        }
        path.pop();
    }
}

/// Returns the values of a field as JSON, and for doubles the value that replaces the placeholder.
fn values(kind: Kind) -> Vec<(Value, Option<f64>)> {
    let integer = |value: i128| i64::try_from(value).map_or_else(|_| Value::from(value as u64), Value::from);
    let integers = |values: &[i128]| values.iter().map(|value| (integer(*value), None)).collect();
    match kind {
        Kind::Double | Kind::Float => DOUBLES.iter().map(|value| (Value::from(MARK), Some(*value))).collect(),
        Kind::Int32 => integers(&[0, -1, i32::MIN.into(), i32::MAX.into()]),
        Kind::Int64 => integers(&[0, -1, i64::MIN.into(), i64::MAX.into()]),
        Kind::Uint32 => integers(&[0, 65_536, u32::MAX.into()]),
        Kind::Uint64 => integers(&[0, u64::MAX.into()]),
        _ => Vec::new(),
    }
}

/// Replaces the placeholder by a double.
fn replaced(bytes: &[u8], value: f64) -> Vec<u8> {
    let (mark, value) = (MARK.to_le_bytes(), value.to_le_bytes());
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(8).position(|window| window == mark) {
        bytes[at..at + 8].copy_from_slice(&value);
    }
    bytes
}

fn sweep(
    desc: &'static MessageDescriptor,
    base: &Value,
    take: &dyn Fn(&mut Subject, &[u8]),
    tried: &mut usize,
) -> Vec<String> {
    let samples = Subject::new().samples();
    let mut faults = Vec::new();
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    each_number(desc, &mut Vec::new(), &mut |owner, path| {
        let field = path[path.len() - 1];
        let times = seen.entry((owner.name, field.name)).or_default();
        *times += 1;
        if *times > WAYS {
            return;
        }
        let names: Vec<&str> = path.iter().map(|field| field.name).collect();
        for (value, double) in values(field.kind) {
            // The message has the required fields, and the other fields of the base.
            let mut given = samples.message(desc, 0);
            base.as_object().into_iter().flatten().for_each(|(name, part)| given[name] = part.clone());
            let filling = if field.label == messages::schema::Label::Repeated { json!([value]) } else { value.clone() };
            insert(desc, &mut given, path, filling, &samples);
            let text = given.to_string();
            let Ok(bytes) = wire::json::read_bytes(desc, text.as_bytes(), &Limits::default()) else {
                faults.push(format!("{} {}: no JSON of it: {text}", desc.name, names.join(".")));
                return;
            };
            let bytes = double.map_or_else(|| bytes.to_vec(), |double| replaced(&bytes, double));
            *tried += 1;
            if catch_unwind(AssertUnwindSafe(|| take(&mut Subject::new(), &bytes))).is_err() {
                let value = double.map_or_else(|| value.to_string(), |double| double.to_string());
                faults.push(format!("{} {} = {value}", desc.name, names.join(".")));
            }
        }
    });
    faults
}

#[test]
fn extreme_numbers_neither_stop_nor_occupy_the_master() {
    let mut faults = Vec::new();
    let mut tried = 0;
    let subject = Subject::new();
    let samples = subject.samples();
    let framework: Value = serde_json::from_slice(&wire::json::encode(&common::framework_info())).unwrap();
    let mut updated = framework.clone();
    updated["id"] = json!({"value": samples.framework});

    type Take = fn(&mut Subject, &[u8]);
    let calls: [(&'static MessageDescriptor, Value, Take); 5] = [
        (
            v1::scheduler::Call::desc(),
            json!({"framework_id": {"value": samples.framework}, "update_framework": {"framework_info": updated},
                   "accept": {"offer_ids": [{"value": samples.offer}]}}),
            scheduler_call,
        ),
        (
            v1::scheduler::Call::desc(),
            json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": framework}}),
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
        faults.extend(sweep(desc, &base, &take, &mut tried));
    }

    let json = |message: Vec<u8>| serde_json::from_slice::<Value>(&message).unwrap();
    let updates = common::update(&subject.agent, &subject.scheduler.id, "t", v1::TaskState::TaskRunning, 1);
    let peers = [
        ("mesos.internal.RegisterSlaveMessage", json(wire::json::encode(&common::register("cpus:1")))),
        ("mesos.internal.ReregisterSlaveMessage", json(wire::json::encode(&reregister(&subject.agent, "cpus:1")))),
        ("mesos.internal.StatusUpdateMessage", json(wire::json::encode(&updates))),
        ("mesos.internal.UpdateSlaveMessage", json!({"slave_id": {"value": samples.agent}})),
        ("mesos.internal.UpdateOperationStatusMessage", json!({})),
        ("mesos.internal.ExitedExecutorMessage", json!({})),
        ("mesos.internal.RegisterFrameworkMessage", json!({"framework": framework})),
        ("mesos.internal.ReregisterFrameworkMessage", json!({"framework": framework})),
        ("mesos.internal.LaunchTasksMessage", json!({"framework_id": {"value": samples.framework}})),
        ("mesos.internal.ReconcileTasksMessage", json!({"framework_id": {"value": samples.framework}})),
        ("mesos.internal.ResourceRequestMessage", json!({"framework_id": {"value": samples.framework}})),
        ("tepui.AgentHealth", json!({})),
    ];
    for (name, base) in peers {
        let Ok(Some(desc)) = Message::descriptor_of(name) else { panic!("{name} has no descriptor") };
        faults.extend(sweep(desc, &base, &peer_message(name), &mut tried));
    }
    assert!(tried > 1000, "{tried}");
    assert!(faults.is_empty(), "{} of {tried} numbers:\n{}", faults.len(), faults.join("\n"));
}
