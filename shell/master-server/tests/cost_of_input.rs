//! Measures the cost of input that is no call of an API: bodies of the v0 endpoints and of partitions, query
//! strings, and the JSON of policies and sinks. As for calls (`master/tests/cost_of_input`), no input may take more
//! than a hundred times its bytes in memory, and the time may not grow faster than its bytes.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::alloc::System;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};
use support::master;
use testkit::http::request;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The maximum number of bytes in memory per byte on the wire.
const FACTOR: usize = 100;
/// The memory in bytes that any input may take, however short, including the buffers of a connection and of this test's
/// client.
const FLOOR: usize = 3 << 20;
/// The number of bytes of a filled part.
const FILL: usize = 64 << 10;
/// The time that an input may take in a debug build on a busy machine.
const TIME: Duration = Duration::from_secs(2);

/// Returns the processor time of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn complaint(what: &str, size: usize, before: (Stats, Duration)) -> Option<String> {
    let memory = (ALLOCATOR.stats() - before.0).bytes_allocated;
    let time = cpu_time() - before.1;
    if std::env::var_os("COSTS").is_some() {
        eprintln!("{:8} {memory:10} {time:?} {what}", memory / size.max(1));
    }
    let too_much = memory > FACTOR * size + FLOOR || time > TIME;
    too_much.then(|| format!("{what}: {size} bytes cost {memory} bytes and {time:?}"))
}

/// Returns texts of about [`FILL`] bytes, each in place of a string.
fn strings() -> [(&'static str, String); 3] {
    [
        ("long", "a".repeat(FILL)),
        ("deep", format!("a{}", "/a".repeat(FILL / 2))),
        ("controls", "\u{1b}".repeat(FILL / 6)),
    ]
}

fn list(element: impl Fn(usize) -> Value) -> Value {
    let each = element(0).to_string().len() + 1;
    Value::Array((0..(FILL / each).max(1)).map(element).collect())
}

fn object(value: impl Fn(usize) -> Value) -> Value {
    let each = value(0).to_string().len() + 8;
    Value::Object((0..(FILL / each).max(1)).map(|i| (format!("k{i}"), value(i))).collect())
}

/// Returns JSON of about [`FILL`] bytes that is no message at all.
fn shapes() -> Vec<(&'static str, String)> {
    vec![
        ("arrays in arrays", "[".repeat(FILL)),
        ("objects in objects", "{\"a\":".repeat(FILL / 5)),
        ("empty objects", list(|_| json!({})).to_string()),
        ("empty arrays", list(|_| json!([])).to_string()),
        ("numbers", list(|i| json!(i % 10)).to_string()),
        ("members", object(|_| json!(0)).to_string()),
        ("a long number", "1".repeat(FILL)),
        ("a long text", json!("a".repeat(FILL)).to_string()),
        ("escapes", format!("\"{}\"", "\\u0041".repeat(FILL / 6))),
    ]
}

/// Returns copies of a JSON document. In each of them one string, list or object is filled.
fn filled(base: &Value) -> Vec<(String, String)> {
    let mut documents = vec![("as it is".to_owned(), base.to_string())];
    let mut pointers = Vec::new();
    collect(base, String::new(), &mut pointers);
    for pointer in pointers {
        let at = base.pointer(&pointer).unwrap();
        let fillings: Vec<(&str, Value)> = match at {
            Value::String(_) => strings().into_iter().map(|(name, text)| (name, Value::String(text))).collect(),
            Value::Array(elements) => {
                let element = elements.first().cloned().unwrap_or_default();
                vec![("elements", list(|i| numbered(&element, i)))]
            }
            Value::Object(members) => {
                let value = members.values().next().cloned().unwrap_or_default();
                vec![("members", object(|i| numbered(&value, i)))]
            }
            Value::Number(_) => vec![("digits", Value::Null)],
            Value::Null | Value::Bool(_) => Vec::new(),
        };
        for (name, filling) in fillings {
            let mut document = base.clone();
            *document.pointer_mut(&pointer).unwrap() = filling;
            let text = match name {
                "digits" => document.to_string().replacen("null", &"1".repeat(FILL), 1),
                _ => document.to_string(),
            };
            documents.push((format!("{pointer} ({name})"), text));
        }
    }
    documents
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    pointers.push(at.clone());
    match value {
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(i, element)| collect(element, format!("{at}/{i}"), pointers));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| collect(member, format!("{at}/{name}"), pointers));
        }
        _ => {}
    }
}

/// Returns a copy with other texts, so that the elements of a list differ.
fn numbered(value: &Value, i: usize) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{text}{i}")),
        Value::Array(elements) => elements.iter().map(|element| numbered(element, i)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), numbered(value, i))).collect(),
        other => other.clone(),
    }
}

async fn check(at: SocketAddr, what: String, method: &str, target: &str, body: &str) -> Option<String> {
    let head = format!("{method} {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    let before = (ALLOCATOR.stats(), cpu_time());
    let response = request(at, format!("{head}{body}")).await;
    assert!(response.status < 500, "{what}: {} {:.300}", response.status, response.text());
    complaint(&what, head.len() + body.len(), before)
}

/// Returns the text percent-encoded for a form or a query.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// This is one test, since the allocator counts for the whole program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cost_of_input_is_proportional_to_its_size() {
    let master = master();
    let at = master.address;
    let mut complaints: Vec<String> = Vec::new();

    let machine = json!({"hostname": "h", "ip": "127.0.0.1"});
    let cpus = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}, "role": "r"});
    let volume = json!({"name": "disk", "type": "SCALAR", "scalar": {"value": 1.0}, "role": "r",
        "disk": {"persistence": {"id": "v"}, "volume": {"container_path": "p", "mode": "RW"}}});
    let window = json!({"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": 1}}});
    let partition = json!({"role": "r", "resources": {"cpus": {"min": 1.0, "max": 2.0}}, "priority": 1, "weight": 1.0});
    let bodies = [
        ("PUT", "/weights", json!([{"role": "r", "weight": 1.0}])),
        ("POST", "/quota", json!({"role": "r", "guarantee": [cpus], "force": true})),
        ("POST", "/maintenance/schedule", json!({"windows": [window]})),
        ("POST", "/machine/down", json!([machine])),
        ("POST", "/machine/up", json!([machine])),
        ("PUT", "/partitions/p?force=true", partition),
    ];
    for (method, target, base) in &bodies {
        for (name, body) in filled(base).into_iter().chain(shapes().into_iter().map(|(n, b)| (n.to_owned(), b))) {
            complaints.extend(check(at, format!("{method} {target} {name}"), method, target, &body).await);
        }
    }

    let forms = [
        ("/reserve", "resources", json!([cpus])),
        ("/unreserve", "resources", json!([cpus])),
        ("/create-volumes", "volumes", json!([volume])),
        ("/destroy-volumes", "volumes", json!([volume])),
    ];
    for (target, field, base) in &forms {
        for (name, text) in filled(base).into_iter().chain(shapes().into_iter().map(|(n, b)| (n.to_owned(), b))) {
            let form = format!("slaveId=S&{field}={}", encoded(&text));
            complaints.extend(check(at, format!("POST {target} {name}"), "POST", target, &form).await);
        }
    }

    // The head of a request has a bound of its own. These requests stay below it.
    let few = 6 << 10;
    let queries = [
        "/state?framework_id=",
        "/tasks?task_id=",
        "/tasks?limit=",
        "/tasks?offset=",
        "/tasks?order=",
        "/slaves?slave_id=",
        "/frameworks?framework_id=",
        "/roles?x=",
        "/files/browse?path=",
        "/files/read?path=",
        "/files/download?path=",
        "/metrics/snapshot?timeout=",
        "/version?jsonp=",
        "/explain?framework=",
        "/explain?role=",
        "/explain?agent=",
        "/explain?demand=",
        "/failures?type=",
        "/failures?object=",
        "/failures?limit=",
        "/logging/toggle?level=",
        "/help/",
        "/partitions/",
    ];
    for query in queries {
        let values = [
            "a".repeat(few),
            "%61".repeat(few / 3),
            "a%2F".repeat(few / 4),
            "9".repeat(few),
            "%1B".repeat(few / 3),
            "cpus:1%3B".repeat(few / 9),
            "[".repeat(few),
            "a&".repeat(few / 2),
        ];
        for value in values {
            let what = format!("GET {query}{:.12}…", value);
            complaints.extend(check(at, what, "GET", &format!("{query}{value}"), "").await);
        }
    }
    assert!(complaints.is_empty(), "{} inputs cost too much:\n{}", complaints.len(), complaints.join("\n"));

    master.shutdown().await;
    let policy = json!({"max_share": 0.2, "rules": [{"type": "agent_flapping", "severity": "info", "action": "stop_offering"}],
        "suspicion": {"threshold": 8.0}, "flapping": {"departures": 3}});
    let sinks = json!([{"type": "webhook", "url": "https://h/x", "secret_file": "/f", "timeout_secs": 10}]);
    for (what, base) in [("a policy", policy), ("sinks", sinks)] {
        for (name, text) in filled(&base).into_iter().chain(shapes().into_iter().map(|(n, b)| (n.to_owned(), b))) {
            let before = (ALLOCATOR.stats(), cpu_time());
            match what {
                "a policy" => drop(failures::Policy::parse(&text, Duration::from_secs(15))),
                _ => drop(master_server::SinkOptions::parse(&text)),
            }
            complaints.extend(complaint(&format!("{what} {name}"), text.len(), before));
        }
    }
    assert!(complaints.is_empty(), "{} inputs cost too much:\n{}", complaints.len(), complaints.join("\n"));
}
