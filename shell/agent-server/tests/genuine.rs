//! What a genuine Apache Mesos 1.11 agent has left is taken over by ours, while its tasks run.
//!
//! `CPP_MESOS` names a directory with `master`, `agent` and `libexec`; without it this test says that it was skipped.
//! Not run by the test harness: this program is also our agent, the command executor, and an executor of its own that
//! speaks the driver protocol.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/driver.rs"]
mod driver;
#[path = "../../master-server/tests/support/mod.rs"]
mod support;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use agent_server::{AgentOptions, ExecutorProgram, start};
use model::Upid;
use serde_json::{Value, json};
use support::{Client, JSON, Scheduler, TIMEOUT, find, get, master, post, until};

const RESOURCES: &str = "cpus:4;mem:2048;disk:4096;ports:[31000-31100]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("executor") => return executor::main(),
        Some("container-init") => return executor::init(),
        Some("driver") => return driver::main(),
        Some("agent") => return agent(&arguments[2], Path::new(&arguments[3]), arguments[4].parse().expect("a port")),
        _ => {}
    }
    let Some(mesos) = std::env::var_os("CPP_MESOS").map(PathBuf::from) else {
        testkit::skip::skipped("agent-server::genuine", "CPP_MESOS does not name a genuine Mesos");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for kind in [Kind::Command, Kind::Driver] {
            for masters in [Masters::Genuine, Masters::Ours] {
                a_task_goes_on(&mesos, kind, masters).await;
                a_task_that_ends_while_no_agent_runs_is_reported(&mesos, kind, masters).await;
            }
            an_update_that_no_master_took_is_delivered(&mesos, kind).await;
        }
        an_executor_that_died_meanwhile_is_missed(&mesos).await;
    });
    ExitCode::SUCCESS
}

/// Our agent's process, with what the genuine one was told.
fn agent(master: &str, work: &Path, port: u16) -> ExitCode {
    let resources = resources::Resources::parse(RESOURCES, "*").expect("resources");
    let pid: Upid = "slave(1)@127.0.0.1:0".parse().expect("a pid");
    let mut config = agent::Config::new(pid, "127.0.0.1", work, resources);
    config.registration_backoff_factor = Duration::from_millis(1);
    config.executor_reregistration_timeout = Duration::from_secs(10);
    config.executor_reregistration_retry_interval = Some(Duration::from_millis(200));
    let mut options = AgentOptions::new(Ipv4Addr::LOCALHOST, port, master, config);
    options.containerizer.launcher = containerizer::Launcher::Posix;
    let path = std::env::current_exe().expect("this program");
    options.executor = Some(ExecutorProgram { path, argv: vec!["genuine".to_owned(), "executor".to_owned()] });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        match start(options) {
            Ok(running) => {
                running.wait().await;
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
                ExitCode::FAILURE
            }
        }
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// `http_command_executor=true`: our program in the place of `mesos-executor`, over the v1 API.
    Command,
    /// An executor of the framework's own, over the driver protocol.
    Driver,
}

/// Whose master the agent finds after it was replaced.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Masters {
    Genuine,
    Ours,
}

/// A process that does not outlive the test.
struct Process(Child);

impl Process {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Cluster {
    kind: Kind,
    master: Process,
    address: SocketAddr,
    ours: Option<edge::Running>,
    agent: Process,
    port: u16,
    scheduler: Scheduler,
    work: tempfile::TempDir,
}

impl Cluster {
    /// A genuine master and agent.
    async fn start(mesos: &Path, kind: Kind) -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let address = free_address();
        let master = genuine_master(mesos, work.path(), address);
        let port = free_address().port();
        let agent = genuine_agent(mesos, work.path(), address, port);
        let scheduler = Scheduler::subscribe(address, &framework(None).to_string()).await;
        Cluster { kind, master, address, ours: None, agent, port, scheduler, work }
    }

    /// Writes numbers until the file `end` appears.
    async fn launch(&mut self) {
        let offers = self.scheduler.stream.event_of("OFFERS").await;
        let offer = &offers["offers"]["offers"][0];
        let scalar = |name: &str, value: f64| json!({ "name": name, "type": "SCALAR", "scalar": { "value": value }, "allocation_info": { "role": "*" } });
        let resources = json!([scalar("cpus", 0.1), scalar("mem", 32.0)]);
        let mut task = json!({
            "name": "t", "task_id": { "value": "t" }, "agent_id": offer["agent_id"], "resources": resources,
        });
        match self.kind {
            Kind::Command => {
                let count = "i=0; while [ ! -e end ]; do i=$((i+1)); echo $i; sleep 0.01; done; echo last";
                task["command"] = json!({ "value": count });
            }
            Kind::Driver => {
                let program = std::env::current_exe().expect("this program");
                task["executor"] = json!({
                    "type": "CUSTOM", "executor_id": { "value": "e" }, "framework_id": { "value": self.scheduler.framework },
                    "resources": resources, "command": { "value": format!("exec {} driver", program.display()) },
                });
            }
        }
        let accept = json!({
            "offer_ids": [offer["id"]],
            "operations": [{ "type": "LAUNCH", "launch": { "task_infos": [task] } }],
        });
        self.call("ACCEPT", "accept", accept).await;
    }

    async fn call(&self, kind: &str, field: &str, content: Value) {
        let body = format!(r#""type":"{kind}","{field}":{content}"#);
        let response = self.scheduler.call(self.address, &body).await;
        assert_eq!(response.status, 202, "{}", response.text());
    }

    async fn until(&mut self, state: &str) -> Value {
        loop {
            let status = self.scheduler.stream.event_of("UPDATE").await["update"]["status"].clone();
            // A master that has never heard of the task says what the agent told it: nobody waits for an answer.
            if !status["uuid"].is_string() {
                continue;
            }
            let acknowledge =
                json!({ "agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"] });
            self.call("ACKNOWLEDGE", "acknowledge", acknowledge).await;
            if status["state"] == state {
                return status;
            }
            assert!(["TASK_STARTING", "TASK_RUNNING"].iter().any(|early| status["state"] == *early), "{status}");
        }
    }

    /// The framework goes on with another master, which has never heard of it.
    async fn fail_over_to_ours(&mut self) {
        self.master.kill();
        let ours = master();
        self.address = ours.address;
        self.ours = Some(ours);
        self.scheduler = subscribe_again(self.address, &self.scheduler.framework).await;
    }

    async fn take_over(&mut self, masters: Masters) {
        self.agent.kill();
        if masters == Masters::Ours && self.ours.is_none() {
            self.fail_over_to_ours().await;
        }
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("agent").arg(self.address.to_string()).arg(self.work.path()).arg(self.port.to_string());
        self.agent = Process(command.spawn().expect("an agent"));
    }

    async fn agent_id(&self) -> Option<String> {
        let state = get(self.address, "/state").await.json();
        state["slaves"].as_array()?.iter().find(|slave| slave["active"] == true)?["id"].as_str().map(str::to_owned)
    }

    /// Lets the task end, wherever its sandbox is.
    fn end_task(&self) {
        let stdout = self.stdout();
        std::fs::write(stdout.with_file_name("end"), "").expect("written");
    }

    fn stdout(&self) -> PathBuf {
        find(&self.work.path().join("slaves"), "stdout").expect("output")
    }

    /// Everything has ended, and ours keeps nothing of it in its runtime directory.
    async fn stop(mut self) {
        let _ = self.scheduler.call(self.address, r#""type":"TEARDOWN""#).await;
        let containers = self.work.path().join("run/containers");
        until(|| containers.read_dir().expect("a directory").next().is_none().then_some(())).await;
        self.agent.kill();
        self.master.kill();
    }
}

/// Also on failure nothing is left behind: what runs in the sandboxes is ended.
impl Drop for Cluster {
    fn drop(&mut self) {
        self.agent.kill();
        let work = self.work.path().to_owned();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let below = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&work));
            if let Some(pid) = rustix::process::Pid::from_raw(pid).filter(|_| below) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn framework(id: Option<&str>) -> Value {
    let mut info = json!({
        "user": "root", "name": "n", "checkpoint": true, "failover_timeout": 1000.0,
        "capabilities": [{ "type": "PARTITION_AWARE" }],
    });
    if let Some(id) = id {
        info["id"] = json!({ "value": id });
    }
    info
}

async fn subscribe_again(address: SocketAddr, id: &str) -> Scheduler {
    let mut stream = Client::connect(address).await;
    let body = json!({
        "type": "SUBSCRIBE", "framework_id": { "value": id }, "subscribe": { "framework_info": framework(Some(id)) },
    });
    stream.send(post("/api/v1/scheduler", JSON, body.to_string())).await;
    let head = stream.head().await.expect("a head");
    assert_eq!(head.status, 200);
    let stream_id = head.header("mesos-stream-id").expect("a stream id").to_owned();
    Scheduler { stream, stream_id, framework: id.to_owned() }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address")
}

fn genuine_master(mesos: &Path, work: &Path, address: SocketAddr) -> Process {
    let mut command = Command::new(mesos.join("master"));
    command.arg(work.join("master")).env("MESOS_REGISTRY", "in_memory");
    std::fs::create_dir(work.join("master")).expect("a directory");
    genuine(command, address.port())
}

fn genuine_agent(mesos: &Path, work: &Path, master: SocketAddr, port: u16) -> Process {
    let launcher = work.join("libexec");
    std::fs::create_dir(&launcher).expect("a directory");
    symlink(mesos.join("libexec/mesos-containerizer"), launcher.join("mesos-containerizer")).expect("a link");
    let script = launcher.join("mesos-executor");
    let program = std::env::current_exe().expect("this program");
    std::fs::write(&script, format!("#!/bin/sh\nexec {} executor\n", program.display())).expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let mut command = Command::new(mesos.join("agent"));
    command
        .arg(format!("--master={master}"))
        .arg(format!("--work_dir={}", work.display()))
        .arg(format!("--runtime_dir={}", work.join("run").display()))
        .env("MESOS_LAUNCHER", "posix")
        .env("MESOS_ISOLATION", "posix/cpu,posix/mem")
        .env("MESOS_SYSTEMD_ENABLE_SUPPORT", "false")
        .env("MESOS_LAUNCHER_DIR", launcher)
        .env("MESOS_HTTP_COMMAND_EXECUTOR", "true")
        .env("MESOS_RESOURCES", RESOURCES);
    genuine(command, port)
}

fn genuine(mut command: Command, port: u16) -> Process {
    command
        .env("LIBPROCESS_IP", "127.0.0.1")
        .env("LIBPROCESS_PORT", port.to_string())
        .env("MESOS_HOSTNAME", "127.0.0.1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = Process(command.spawn().expect("a genuine one"));
    let deadline = Instant::now() + TIMEOUT;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < deadline, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

async fn a_task_goes_on(mesos: &Path, kind: Kind, masters: Masters) {
    let mut cluster = Cluster::start(mesos, kind).await;
    cluster.launch().await;
    cluster.until("TASK_RUNNING").await;
    let before = cluster.agent_id().await.expect("an agent");
    let stdout = cluster.stdout();
    cluster.take_over(masters).await;
    let deadline = Instant::now() + TIMEOUT;
    while !is_up(&cluster).await || cluster.agent_id().await.as_ref() != Some(&before) {
        assert!(Instant::now() < deadline, "ours has not registered as {before}: {:?}", cluster.agent_id().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let length = std::fs::metadata(&stdout).expect("output").len();
    until(|| (std::fs::metadata(&stdout).expect("output").len() > length).then_some(())).await;
    cluster.end_task();
    let finished = cluster.until("TASK_FINISHED").await;
    assert_eq!(finished["source"], "SOURCE_EXECUTOR", "{finished}");
    let text = std::fs::read_to_string(&stdout).expect("output");
    let numbers = text.lines().filter(|line| line.bytes().all(|byte| byte.is_ascii_digit()));
    assert!(numbers.zip(1..).all(|(line, number)| line == number.to_string()), "{text}");
    cluster.stop().await;
    println!("a task goes on ({kind:?}, {masters:?} master) ... ok");
}

async fn is_up(cluster: &Cluster) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, cluster.port)).is_ok()
}

async fn a_task_that_ends_while_no_agent_runs_is_reported(mesos: &Path, kind: Kind, masters: Masters) {
    let mut cluster = Cluster::start(mesos, kind).await;
    cluster.launch().await;
    cluster.until("TASK_RUNNING").await;
    cluster.agent.kill();
    cluster.end_task();
    let stdout = cluster.stdout();
    until(|| std::fs::read_to_string(&stdout).expect("output").contains("last").then_some(())).await;
    cluster.take_over(masters).await;
    let finished = cluster.until("TASK_FINISHED").await;
    assert_eq!(finished["source"], "SOURCE_EXECUTOR", "{finished}");
    cluster.stop().await;
    println!("a task that ends while no agent runs ({kind:?}, {masters:?} master) ... ok");
}

/// The genuine agent has written the update down and could not say it to anybody.
async fn an_update_that_no_master_took_is_delivered(mesos: &Path, kind: Kind) {
    let mut cluster = Cluster::start(mesos, kind).await;
    cluster.launch().await;
    cluster.until("TASK_RUNNING").await;
    cluster.master.kill();
    let updates = find(&cluster.work.path().join("meta"), "task.updates").expect("updates");
    let length = std::fs::metadata(&updates).expect("updates").len();
    cluster.end_task();
    until(|| (std::fs::metadata(&updates).expect("updates").len() > length).then_some(())).await;
    cluster.take_over(Masters::Ours).await;
    let finished = cluster.until("TASK_FINISHED").await;
    assert_eq!(finished["source"], "SOURCE_EXECUTOR", "{finished}");
    cluster.stop().await;
    println!("an update that no master took ({kind:?}) ... ok");
}

async fn an_executor_that_died_meanwhile_is_missed(mesos: &Path) {
    let mut cluster = Cluster::start(mesos, Kind::Driver).await;
    cluster.launch().await;
    cluster.until("TASK_RUNNING").await;
    cluster.agent.kill();
    let pid = std::fs::read_to_string(find(&cluster.work.path().join("meta"), "forked.pid").expect("a pid"));
    let pid = pid.ok().and_then(|pid| rustix::process::Pid::from_raw(pid.trim().parse().ok()?)).expect("a pid");
    rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).expect("killed");
    cluster.take_over(Masters::Genuine).await;
    let failed = cluster.until("TASK_FAILED").await;
    assert_eq!(failed["reason"], "REASON_EXECUTOR_TERMINATED", "{failed}");
    cluster.stop().await;
    println!("an executor that died meanwhile ... ok");
}
