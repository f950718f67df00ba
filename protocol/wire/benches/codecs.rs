//! Throughput of the codecs on a message of 10,000 tasks, in bytes of JSON (or protobuf) a second.
//! `cargo bench -p wire`

#![allow(clippy::unwrap_used, reason = "a program of its own")]

use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use messages::schema::HasDescriptor;
use messages::v1::master::response::GetTasks;
use messages::v1::value::{Scalar, Type};
use messages::v1::{AgentId, FrameworkId, Resource, Task, TaskId, TaskStatus};
use wire::{Limits, json};

static TASKS: LazyLock<GetTasks> =
    LazyLock::new(|| GetTasks { completed_tasks: (0..10_000).map(task).collect(), ..GetTasks::default() });
static PROTOBUF: LazyLock<Vec<u8>> = LazyLock::new(|| wire::encode(&*TASKS).to_vec());
static JSON: LazyLock<Vec<u8>> = LazyLock::new(|| json::encode(&*TASKS).to_vec());

fn main() {
    divan::main();
}

#[divan::bench]
fn protobuf_to_json(bencher: Bencher<'_, '_>) {
    let mut out = Vec::with_capacity(JSON.len() * 2);
    bencher.counter(BytesCount::of_slice(&JSON[..])).bench_local(|| {
        out.clear();
        json::write_bytes(GetTasks::desc(), &PROTOBUF, &mut out);
    });
}

#[divan::bench]
fn message_to_json(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_slice(&JSON[..])).bench(|| json::encode(&*TASKS));
}

#[divan::bench]
fn json_to_message(bencher: Bencher<'_, '_>) {
    let limits = Limits::default();
    bencher.counter(BytesCount::of_slice(&JSON[..])).bench(|| json::decode::<GetTasks>(&JSON, &limits).unwrap());
}

#[divan::bench]
fn protobuf_to_message_checked(bencher: Bencher<'_, '_>) {
    let limits = Limits::default();
    bencher
        .counter(BytesCount::of_slice(&PROTOBUF[..]))
        .bench(|| wire::decode::<GetTasks>(&PROTOBUF, &limits).unwrap());
}

#[divan::bench]
fn protobuf_to_message_by_prost_alone(bencher: Bencher<'_, '_>) {
    let decode = || <GetTasks as prost::Message>::decode(&PROTOBUF[..]).unwrap();
    bencher.counter(BytesCount::of_slice(&PROTOBUF[..])).bench(decode);
}

#[divan::bench]
fn message_to_protobuf(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_slice(&PROTOBUF[..])).bench(|| wire::encode(&*TASKS));
}

fn task(number: usize) -> Task {
    let agent_id = AgentId { value: format!("cce2effb-69dc-4b43-a798-05d9029c6edd-S{number}") };
    let task_id = TaskId { value: format!("task-{number}") };
    let scalar = |name: &str, value| Resource {
        name: name.to_owned(),
        r#type: Type::Scalar.into(),
        scalar: Some(Scalar { value }),
        ..Resource::default()
    };
    let status = |state| TaskStatus {
        task_id: task_id.clone(),
        state,
        agent_id: Some(agent_id.clone()),
        timestamp: Some(1_795_262_006.530_599_7 + number as f64),
        uuid: Some(vec![number as u8; 16]),
        ..TaskStatus::default()
    };
    Task {
        name: "load".to_owned(),
        framework_id: FrameworkId { value: "cce2effb-69dc-4b43-a798-05d9029c6edd-0000".to_owned() },
        state: 2,
        resources: vec![scalar("cpus", 0.1), scalar("mem", 32.0)],
        statuses: vec![status(1), status(2)],
        agent_id,
        task_id: task_id.clone(),
        ..Task::default()
    }
}
