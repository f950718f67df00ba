//! The cost of input to a real agent: memory, time, and descriptors. Every string and every list of the calls of
//! operators and executors is filled, one after the other, and so are query strings and libprocess messages. Launches are
//! carried out, with mounts if the test runs as root. `core/agent/tests/cost_of_input` does the same with the core alone,
//! and with each message as its sender.
//!
//! The test harness does not run this file, because the agent starts this program again as the init of containers.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::alloc::System;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use messages::schema::HasDescriptor;
use messages::{Message, v1};
use rustix::fs::{Mode, OFlags, RawDir};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{config, master, options};
use testkit::http::{Response, call, get, post, request};
use testkit::inputs::cost::{self, Meter};
use testkit::inputs::documents::query_values;
use testkit::inputs::{InputKind, Samples};
use testkit::wait::until_within;
use tokio::runtime::Handle;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A short input may cost 3 MiB, including the buffers of connections, a started container, and this test's client.
const METER: Meter = Meter {
    allocated: || ALLOCATOR.stats().bytes_allocated,
    time: cpu_time,
    floor: 3 << 20,
    descriptors: Some(take_descriptors),
    each_kind: false,
};

/// Returns the processor time of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The most descriptors that were open at once since the last look.
static DESCRIPTORS: AtomicUsize = AtomicUsize::new(0);
/// Whether the test goes on.
static MEASURING: AtomicBool = AtomicBool::new(true);

fn take_descriptors() -> usize {
    DESCRIPTORS.swap(0, Ordering::Relaxed)
}

/// Counts open descriptors every few milliseconds, without allocating.
fn count_descriptors() {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    while MEASURING.load(Ordering::Relaxed) {
        let directory = rustix::fs::open("/proc/self/fd", flags, Mode::empty()).expect("this process's descriptors");
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let (mut entries, mut count) = (RawDir::new(directory, &mut buffer), 0);
        while let Some(Ok(_)) = entries.next() {
            count += 1;
        }
        DESCRIPTORS.fetch_max(count, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(3));
    }
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("executor") => return executor::main(),
        Some("container-init") => return executor::init(),
        _ => {}
    }
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        testkit::skip::skipped("cost_of_input::mounts", "they need root");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let work = tempfile::tempdir().expect("a directory");
    let (master, agent) = runtime.block_on(async {
        let master = master();
        let mut options = options("cost_of_input", master.address, 0, config(work.path(), "cpus:2;mem:512"));
        let isolation = if is_root { &["filesystem/linux", "posix/rlimits"][..] } else { &["posix/rlimits"] };
        options.containerizer.isolation = isolation.iter().map(|name| (*name).to_owned()).collect();
        let agent = agent_server::start(options).expect("the agent starts");
        (master, agent)
    });
    let subject = Subject { at: agent.address, runtime: runtime.handle().clone() };
    until_within(Duration::from_secs(10), "the agent has recovered", || {
        (runtime.block_on(get(subject.at, "/state")).status == 200).then_some(())
    });
    std::thread::scope(|scope| {
        scope.spawn(count_descriptors);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if is_root {
                volumes_cost_few_descriptors(&subject);
            }
            nothing_costs_a_hundred_times_its_bytes(&subject);
        }));
        MEASURING.store(false, Ordering::Relaxed);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    runtime.block_on(async {
        agent.unregister();
        agent.wait().await;
        master.shutdown().await;
    });
    ExitCode::SUCCESS
}

/// A real agent.
#[derive(Clone)]
struct Subject {
    at: SocketAddr,
    runtime: Handle,
}

impl Subject {
    fn request(&self, bytes: impl AsRef<[u8]>) -> Response {
        self.runtime.block_on(request(self.at, bytes))
    }

    fn launch(&self, volumes: usize) -> Response {
        let volumes: Vec<Value> = (0..volumes)
            .map(|i| json!({ "container_path": format!("v{i}"), "host_path": "/tmp", "mode": "RW" }))
            .collect();
        let launch = json!({
            "container_id": { "value": format!("volumes-{}", volumes.len()) }, "command": { "value": "true" },
            "container": { "type": "MESOS", "volumes": volumes },
        });
        let body = json!({ "type": "LAUNCH_CONTAINER", "launch_container": launch }).to_string();
        self.runtime.block_on(call(self.at, "/api/v1", &body))
    }
}

/// 20,000 volumes took all descriptors of an agent for seconds, and were answered "Too many open files".
fn volumes_cost_few_descriptors(subject: &Subject) {
    let mark = METER.mark();
    let refused = subject.launch(20_000);
    let field = "'ContainerInfo.volumes' has 20000 elements and may have 256: ";
    assert!(refused.status == 400 && refused.text().contains(field), "{} {}", refused.status, refused.text());
    assert_eq!(METER.complaint("20,000 volumes", 1_200_000, mark), None);
    let launched = subject.launch(256);
    assert_eq!(launched.status, 200, "{}", launched.text());
    let most = take_descriptors();
    assert!(most < 400, "{most} descriptors for 256 volumes");
}

/// Launches get an id of their own unless the id is what is filled.
fn operator_call(subject: &mut Subject, bytes: &[u8]) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Ok(mut call) = wire::decode::<v1::agent::Call>(bytes, &wire::Limits::default()) else {
        return drop(subject.request(protobuf("/api/v1", bytes)));
    };
    let short = |id: &v1::ContainerId| id.value.len() < 16 && id.parent.is_none();
    match &mut call.launch_container {
        Some(launch) if short(&launch.container_id) => {
            launch.container_id.value = format!("c{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            subject.request(protobuf("/api/v1", &wire::encode(&call)));
        }
        _ => drop(subject.request(protobuf("/api/v1", bytes))),
    }
}

fn executor_call(subject: &mut Subject, bytes: &[u8]) {
    subject.request(protobuf("/api/v1/executor", bytes));
}

fn peer_message(name: &'static str) -> impl Fn(&mut Subject, &[u8]) {
    move |subject, bytes| {
        let from = "Libprocess-From: master@127.0.0.1:1\r\n";
        let response = subject.request(post(&format!("/slave(1)/{name}"), from, bytes));
        assert!(matches!(response.status, 202 | 400), "{name}: {}", response.status);
    }
}

fn protobuf(path: &str, body: &[u8]) -> Vec<u8> {
    post(path, "Content-Type: application/x-protobuf\r\nAccept: application/json\r\nConnection: close\r\n", body)
}

fn nothing_costs_a_hundred_times_its_bytes(subject: &Subject) {
    let executor = json!({ "framework_id": { "value": "F" }, "executor_id": { "value": "e" } });
    let launch = json!({ "launch_container": { "container_id": { "value": "c" }, "command": { "value": "true" } } });
    let mut kinds = vec![
        InputKind { desc: v1::agent::Call::desc(), base: launch, process: Box::new(operator_call) },
        InputKind { desc: v1::executor::Call::desc(), base: executor, process: Box::new(executor_call) },
    ];
    // The bodies of all messages are decoded in one way; what they cost the core is measured elsewhere.
    for name in ["mesos.internal.StatusUpdateMessage", "mesos.internal.FrameworkToExecutorMessage"] {
        let Ok(Some(desc)) = Message::descriptor_of(name) else { panic!("{name} has no descriptor") };
        kinds.push(InputKind { desc, base: json!({}), process: Box::new(peer_message(name)) });
    }
    let samples = Samples { framework: "F".into(), agent: "S".into(), offer: "O".into() };
    let mut complaints = cost::sweep(&kinds, &samples, &|| subject.clone(), METER);

    // The head of a request has a bound of its own. These requests stay below it.
    let queries = [
        "/state?framework_id=",
        "/containers?framework_id=",
        "/containers?container_id=",
        "/monitor/statistics?x=",
        "/containerizer/debug?x=",
        "/files/browse?path=",
        "/files/read?path=",
        "/files/download?path=",
        "/metrics/snapshot?timeout=",
        "/version?jsonp=",
        "/logging/toggle?level=",
        "/help/",
    ];
    for query in queries {
        for value in query_values(6 << 10) {
            let mark = METER.mark();
            let response = subject.request(format!("GET {query}{value} HTTP/1.1\r\n\r\n"));
            assert!(response.status < 500, "{query}{value:.12}: {} {:.300}", response.status, response.text());
            complaints.extend(METER.complaint(&format!("GET {query}{value:.12}…"), query.len() + value.len(), mark));
        }
    }
    assert!(complaints.is_empty(), "{} inputs cost too much:\n{}", complaints.len(), complaints.join("\n"));
}
