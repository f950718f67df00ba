//! Extreme numbers: every numeric field of every call and message is given zero, negative, infinite, huge and undefined
//! values, one after the other. Each message is processed like any input: decoding, validation, the step of the core,
//! and the following hour. The tests of `validation` check whether a value is refused or has a meaning. This test
//! checks that no value leads to a panic, an overflow, or a busy core.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../inputs/mod.rs"]
mod inputs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::Cluster;
use inputs::{InputKind, PreparedCluster, input_kinds};
use master::Input;
use messages::schema::{FieldDescriptor, Kind, Label};
use serde_json::{Value, json};
use testkit::inputs::{insert, visit_fields};
use wire::Limits;

/// The placeholder of a double in JSON, which cannot represent NaN. No other field has this value.
const MARK: f64 = 1_234.531_25;
const DOUBLES: [f64; 10] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e-320, 1e15, 1e19, 1e308, -1e308];
/// The most effects that an hour may have. Heartbeats, pings and allocation runs cause a few hundred.
const MAX_EFFECTS: usize = 20_000;

fn prepared() -> PreparedCluster {
    PreparedCluster::new("cpus:8;mem:8192;disk:8192;ports:[1-1000]", |cluster, subscribed| {
        pass_an_hour(cluster);
        // The end of the stream starts the failover timeout.
        if let Some(stream) = subscribed {
            cluster.deliver(Input::StreamClosed(stream));
            pass_an_hour(cluster);
        }
    })
}

/// The hour passes in steps, so that a timer that is always due again at once is noticed.
fn pass_an_hour(cluster: &mut Cluster) {
    for _ in 0..60 {
        cluster.pass(Duration::from_secs(60));
        assert!(cluster.recorded.effects.len() < MAX_EFFECTS, "the core is kept busy");
    }
}

fn is_number(field: &FieldDescriptor) -> bool {
    matches!(field.kind, Kind::Double | Kind::Float | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64)
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

/// Gives each numeric field of a kind of input each value, one after the other, and returns the faults.
fn sweep(kind: &InputKind, tried: &mut usize) -> Vec<String> {
    let samples = prepared().samples();
    let desc = kind.desc;
    let mut faults = Vec::new();
    visit_fields(desc, &is_number, &mut |path| {
        let field = path[path.len() - 1];
        let names: Vec<&str> = path.iter().map(|field| field.name).collect();
        for (value, double) in values(field.kind) {
            // The message has the required fields, and the other fields of the base.
            let mut given = samples.message(desc, 0);
            kind.base.as_object().into_iter().flatten().for_each(|(name, part)| given[name] = part.clone());
            let filling = if field.label == Label::Repeated { json!([value]) } else { value.clone() };
            insert(desc, &mut given, path, filling, &samples);
            let text = given.to_string();
            let Ok(bytes) = wire::json::read_bytes(desc, text.as_bytes(), &Limits::default()) else {
                faults.push(format!("{} {}: no JSON of it: {text}", desc.name, names.join(".")));
                return;
            };
            let bytes = double.map_or_else(|| bytes.to_vec(), |double| replaced(&bytes, double));
            *tried += 1;
            if catch_unwind(AssertUnwindSafe(|| (kind.process)(&mut prepared(), &bytes))).is_err() {
                let value = double.map_or_else(|| value.to_string(), |double| double.to_string());
                faults.push(format!("{} {} = {value}", desc.name, names.join(".")));
            }
        }
    });
    faults
}

#[test]
fn extreme_numbers_neither_stop_nor_occupy_the_master() {
    let mut tried = 0;
    let faults: Vec<String> = input_kinds(&prepared()).iter().flat_map(|kind| sweep(kind, &mut tried)).collect();
    assert!(tried > 1000, "{tried}");
    assert!(faults.is_empty(), "{} of {tried} numbers:\n{}", faults.len(), faults.join("\n"));
}
