//! Measures the cost of input that is no call of an API: bodies of the v0 endpoints and of partitions, query
//! strings, and the JSON of policies and sinks. As for calls (`master/tests/cost_of_input`), no input may take more
//! than a hundred times its bytes in memory, and the time may not grow faster than its bytes.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::alloc::System;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::master;
use testkit::http::request;
use testkit::inputs::cost::Meter;
use testkit::inputs::documents::{filled, percent_encoded, query_values, shapes};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A short input may cost 3 MiB, including the buffers of a connection and of this test's client.
const METER: Meter = Meter {
    allocated: || ALLOCATOR.stats().bytes_allocated,
    time: cpu_time,
    floor: 3 << 20,
    descriptors: None,
    each_kind: true,
};

/// Returns the processor time of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

async fn check(at: SocketAddr, what: String, method: &str, target: &str, body: &str) -> Option<String> {
    let head = format!("{method} {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    let mark = METER.mark();
    let response = request(at, format!("{head}{body}")).await;
    assert!(response.status < 500, "{what}: {} {:.300}", response.status, response.text());
    METER.complaint(&what, head.len() + body.len(), mark)
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
            let form = format!("slaveId=S&{field}={}", percent_encoded(&text));
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
        for value in query_values(few) {
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
            let mark = METER.mark();
            match what {
                "a policy" => drop(failures::Policy::parse(&text, Duration::from_secs(15))),
                _ => drop(master_server::SinkOptions::parse(&text)),
            }
            complaints.extend(METER.complaint(&format!("{what} {name}"), text.len(), mark));
        }
    }
    assert!(complaints.is_empty(), "{} inputs cost too much:\n{}", complaints.len(), complaints.join("\n"));
}
