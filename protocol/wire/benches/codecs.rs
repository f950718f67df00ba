//! Throughput of the codecs on a message of many tasks, in MB of JSON (or protobuf) per second.
//! `cargo bench -p wire`

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use messages::schema::HasDescriptor;
use messages::v1::master::response::GetTasks;
use messages::v1::value::{Scalar, Type};
use messages::v1::{AgentId, FrameworkId, Resource, Task, TaskId, TaskStatus};
use wire::{Limits, json};

fn main() {
    let tasks = GetTasks { completed_tasks: (0..10_000).map(task).collect(), ..GetTasks::default() };
    let limits = Limits::default();
    let bytes = wire::encode(&tasks);
    let text = json::encode(&tasks);
    println!("{} bytes of protobuf, {} bytes of JSON", bytes.len(), text.len());

    let mut out = Vec::with_capacity(text.len() * 2);
    measure("protobuf to JSON (write_bytes)", text.len(), || {
        out.clear();
        json::write_bytes(GetTasks::desc(), &bytes, &mut out);
    });
    measure("message to JSON (encode)", text.len(), || drop(black_box(json::encode(&tasks))));
    measure("JSON to message (decode)", text.len(), || drop(black_box(json::decode::<GetTasks>(&text, &limits))));
    measure("protobuf to message, checked (decode)", bytes.len(), || {
        drop(black_box(wire::decode::<GetTasks>(&bytes, &limits)));
    });
    measure("protobuf to message, prost alone", bytes.len(), || {
        drop(black_box(<GetTasks as prost::Message>::decode(&bytes[..])));
    });
    measure("message to protobuf (encode)", bytes.len(), || drop(black_box(wire::encode(&tasks))));
}

fn measure(what: &str, size: usize, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let begin = Instant::now();
        work();
        best = best.min(begin.elapsed());
    }
    println!("{what:<40}{:>8.0} MB/s", size as f64 / 1e6 / best.as_secs_f64());
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
