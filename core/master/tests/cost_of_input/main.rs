//! The cost of input: no input of a peer takes more than a hundred times its bytes in memory, or time that grows faster
//! than its bytes. Every string and every list of every call and message is filled, one after the other, and processed
//! like any input: decoding, validation, the step of the core and an allocation run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../inputs/mod.rs"]
mod inputs;

use std::alloc::System;
use std::time::Duration;

use inputs::{InputKind, Samples, Subject, input_kinds, insert, visit_fields};
use messages::schema::{FieldDescriptor, Kind, Label};
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
/// The time that a debug build may take for a filled field on a busy machine.
const TIME: Duration = Duration::from_secs(2);

fn subject() -> Subject {
    Subject::new("cpus:100000;mem:10000000;disk:1000000;ports:[1-65000]", |cluster, _| cluster.settle())
}

/// Returns the time that this thread has computed.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Processes the JSON of a message and reports it if it costs too much.
fn check(what: &str, kind: &InputKind, given: &Value) -> Option<String> {
    let text = given.to_string();
    let mut subject = subject();
    let before = (ALLOCATOR.stats(), cpu_time());
    let Ok(bytes) = wire::json::read_bytes(kind.desc, text.as_bytes(), &Limits::default()) else {
        return complaint(what, text.len(), before);
    };
    if let Some(complaint) = complaint(what, text.len(), before) {
        return Some(complaint);
    }
    let before = (ALLOCATOR.stats(), cpu_time());
    (kind.process)(&mut subject, &bytes);
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

/// Fills each field of a kind of input that can be long, one after the other.
fn sweep(kind: &InputKind) -> Vec<String> {
    let samples = subject().samples();
    let mut complaints = Vec::new();
    visit_fields(kind.desc, &can_be_long, &mut |path| {
        let names: Vec<&str> = path.iter().map(|field| field.name).collect();
        let what = format!("{} {}", kind.desc.name, names.join("."));
        for (variant, value) in fillings(path, &samples) {
            let mut given = kind.base.clone();
            insert(kind.desc, &mut given, path, value, &samples);
            complaints.extend(check(&format!("{what} ({variant})"), kind, &given));
        }
    });
    complaints
}

fn can_be_long(field: &FieldDescriptor) -> bool {
    matches!(field.kind, Kind::String | Kind::Bytes | Kind::Map(_)) || field.label == Label::Repeated
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

/// This is one test, since the allocator counts for the whole program.
#[test]
fn the_cost_of_an_input_is_proportional_to_its_size() {
    let complaints: Vec<String> = input_kinds(&subject()).iter().flat_map(sweep).collect();
    assert!(complaints.is_empty(), "{} fields cost too much:\n{}", complaints.len(), complaints.join("\n"));
}
