//! A master is killed and started again on the same work directory: its agents and their tasks return.
//!
//! The test harness does not run this file, because this program is also the master and the executors.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use edge::Running;
use master_server::{MasterOptions, RegistryBackend};
use serde_json::{Value, json};
use testkit::http::{Client, JSON, Scheduler, call, post};

/// The upper bound of the return. It is far above what is needed, and far below the 75 s after which a Mesos agent
/// misses pings.
const BACK_WITHIN: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    match arguments.get(1).map(String::as_str) {
        Some("executor") => return executor::main(),
        Some("master") => runtime.block_on(master(arguments[2].parse().expect("a port"), Path::new(&arguments[3]))),
        _ => runtime.block_on(async {
            agents_and_tasks_are_back_after_a_crash().await;
            a_work_directory_has_one_master().await;
            a_damaged_registry_is_renamed().await;
        }),
    }
    ExitCode::SUCCESS
}

fn options(port: u16, work: &Path) -> MasterOptions {
    let mut options = MasterOptions::new(Ipv4Addr::LOCALHOST, port, "localhost");
    options.work_dir = Some(work.to_owned());
    options.registry = RegistryBackend::Embedded;
    options
}

/// Runs the master in the child process.
async fn master(port: u16, work: &Path) {
    let running = master_server::start(options(port, work)).expect("the master starts");
    println!("{}", running.address);
    running.wait().await;
}

/// A master in a process of its own, which ends with the test.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(port: u16, work: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg("master")
            .arg(port.to_string())
            .arg(work)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the master's process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
        Process { address: line.trim().parse().expect("an address"), child }
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("its end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent(master: SocketAddr, work: &Path) -> Running {
    let config = support::config(work, "cpus:2;mem:512");
    agent_server::start(support::options("restart", master, 0, config)).expect("the agent starts")
}

async fn launch(scheduler: &mut Scheduler) -> Value {
    let offer = scheduler.offer().await;
    let mut task = Scheduler::small_task("t", &offer);
    task["command"] = json!({ "shell": false, "value": "/bin/sleep", "arguments": ["sleep", "1000"] });
    scheduler.launch(&offer, &[task]).await;
    scheduler.until("TASK_RUNNING").await;
    offer["agent_id"]["value"].clone()
}

/// Waits until the agent is registered. Returns how many recovered agents there were at the first read.
async fn registered(master: SocketAddr, agent: &Value) -> usize {
    let mut operator = Client::connect(master).await;
    operator.send(post("/api/v1", JSON, r#"{"type":"SUBSCRIBE"}"#)).await;
    assert_eq!(operator.head().await.expect("a head").status, 200);
    let state = operator.event_of("SUBSCRIBED").await["subscribed"]["get_state"]["get_agents"].clone();
    let recovered = state["recovered_agents"].as_array().map_or(0, Vec::len);
    if state["agents"].as_array().is_some_and(|agents| !agents.is_empty()) {
        assert_eq!(state["agents"][0]["agent_info"]["id"]["value"], *agent);
    } else {
        let added = operator.event_of("AGENT_ADDED").await;
        assert_eq!(added["agent_added"]["agent"]["agent_info"]["id"]["value"], *agent);
    }
    recovered
}

async fn agents_and_tasks_are_back_after_a_crash() {
    let (master_work, agent_work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let master = Process::start(0, master_work.path());
    let address = master.address;
    let agent = agent(address, agent_work.path());
    let info = r#""user":"root","name":"n","failover_timeout":1000,"capabilities":[{"type":"PARTITION_AWARE"}]"#;
    let mut scheduler = Scheduler::subscribe(address, &format!("{{{info}}}")).await;
    let id = launch(&mut scheduler).await;

    master.kill();
    let began = Instant::now();
    let master = Process::start(address.port(), master_work.path());
    let served = began.elapsed();
    registered(address, &id).await;
    let back = began.elapsed();
    println!("a restarted master serves after {served:?}, and has its agent back after {back:?}");
    assert!(back < BACK_WITHIN, "{back:?}");

    let mut scheduler = Scheduler::resubscribe(address, &scheduler.framework, &format!("{{{info}}}")).await;
    let asked = scheduler.call(address, r#""type":"RECONCILE","reconcile":{"tasks":[]}"#).await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let status = scheduler.status().await;
    assert_eq!((&status["state"], &status["agent_id"]["value"]), (&json!("TASK_RUNNING"), &id));

    // What operators set from now on survives the next crash as well.
    let gone = format!(r#"{{"type":"MARK_AGENT_GONE","mark_agent_gone":{{"agent_id":{{"value":{id}}}}}}}"#);
    assert_eq!(call(address, "/api/v1", &gone).await.status, 200);
    agent.wait().await;
    master.kill();
    let master = Process::start(address.port(), master_work.path());
    assert_eq!(call(address, "/api/v1", &gone).await.status, 200, "it is gone already");
    let unknown = gone.replace(id.as_str().unwrap(), "other");
    assert_eq!(call(address, "/api/v1", &unknown).await.status, 404);
    drop(master);
}

async fn a_work_directory_has_one_master() {
    let work = tempfile::tempdir().unwrap();
    let master = Process::start(0, work.path());
    let second = master_server::start(options(0, work.path()));
    let refused = second.err().expect("a refusal").to_string();
    assert!(refused.contains("registry.redb is in use by another process: stop it, or "), "{refused}");
    drop(master);
}

/// No supervisor causes a cluster without its past to begin in place of the existing one.
async fn a_damaged_registry_is_renamed() {
    let refused = |work: &Path| {
        let error = master_server::start(options(0, work)).err().expect("a refusal");
        (error.to_string(), std::error::Error::source(&error).map(ToString::to_string))
    };
    type Damage = fn(&Path);
    let damage: [(Damage, &str); 3] = [
        (|file| std::fs::write(file, b"").unwrap(), "it is empty"),
        (|file| std::fs::write(file, b"foreign ".repeat(1000)).unwrap(), ""),
        (nonsense, "record agents/S0 of the registry is damaged"),
    ];
    for (damage, why) in damage {
        let work = tempfile::tempdir().unwrap();
        drop(Process::start(0, work.path()));
        let file = work.path().join("registry/registry.redb");
        damage(&file);
        let (first, cause) = refused(work.path());
        let kept = work.path().join("registry/registry.redb.damaged-1");
        let marker = work.path().join("registry/registry.redb.refused");
        assert!(first.contains(&format!("kept as {}", kept.display())), "{first}");
        assert!(first.contains(&format!("remove {} and start anew", marker.display())), "{first}");
        assert!(cause.is_some_and(|cause| cause.contains(why)), "{first}");
        let (again, cause) = refused(work.path());
        assert_eq!(again, first);
        assert!(cause.is_some_and(|cause| cause.contains(why)), "the reason is still known");
        assert!(kept.exists() && !file.exists());
        // The operator follows the instructions of the error.
        std::fs::remove_file(marker).unwrap();
        let running = master_server::start(options(0, work.path())).expect("a new beginning");
        running.shutdown().await;
    }
}

/// Writes an intact file whose content no master has written.
fn nonsense(file: &Path) {
    let mut store = store::EmbeddedStore::open(file.parent().unwrap()).unwrap();
    store::Store::take_over(&mut store).unwrap();
    let write = model::RecordWrite { key: "agents/S0".to_owned(), value: Some(b"\xff\xff".to_vec()) };
    store::Store::commit(&mut store, &[write]).unwrap();
}
