//! Tepui's agent takes over the state of an Apache Mesos 1.11 agent while its tasks run.
//!
//! `CPP_MESOS` names a directory with `master`, `agent` and `libexec`; without it the test reports that it was skipped.
//! The test harness does not run this file, because this program is also the agent, the command executor, and a custom
//! executor that speaks the driver protocol.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/driver.rs"]
mod driver;
#[path = "genuine/pods.rs"]
mod pods;
mod support;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{config, master, options};
use testkit::http::{Scheduler, get};
use testkit::process::{GenuineMesos, Program};
use testkit::scratch::{find_file, free_port};
use testkit::wait::{TIMEOUT, until_async};

const RESOURCES: &str = "cpus:4;mem:2048;disk:4096;ports:[31000-31100]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("executor") => return executor::main(),
        Some("default-executor") => return executor::default_executor(),
        Some("container-init") => return executor::init(),
        Some("driver") => return driver::main(),
        Some("agent") => return agent(&arguments[2], Path::new(&arguments[3]), arguments[4].parse().expect("a port")),
        _ => {}
    }
    let Some(mesos) = GenuineMesos::find() else {
        testkit::skip::skipped("agent-server::genuine", "CPP_MESOS does not name a genuine Mesos");
        return ExitCode::SUCCESS;
    };
    support::block_on(async {
        for kind in [Kind::Command, Kind::Driver] {
            for masters in [Masters::Genuine, Masters::Ours] {
                a_task_continues(&mesos, kind, masters).await;
                a_task_that_ends_while_no_agent_runs_is_reported(&mesos, kind, masters).await;
            }
            an_update_that_reached_no_master_is_delivered(&mesos, kind).await;
        }
        an_executor_that_died_meanwhile_is_reported(&mesos).await;
        pods::a_pod_goes_on(&mesos).await;
        pods::a_pod_of_the_genuine_executor_goes_on(&mesos).await;
    });
    ExitCode::SUCCESS
}

/// Runs Tepui's agent with the flags of the Mesos agent.
fn agent(master: &str, work: &Path, port: u16) -> ExitCode {
    let mut config = config(work, RESOURCES);
    config.hostname = "127.0.0.1".to_owned();
    config.executor_reregistration_timeout = Duration::from_secs(10);
    config.executor_reregistration_retry_interval = Some(Duration::from_millis(200));
    let options = options("genuine", master, port, config);
    support::run(options, |error| eprintln!("{error}: {:?}", error.source().map(ToString::to_string)))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// `http_command_executor=true`: this program takes the place of `mesos-executor`, over the v1 API.
    Command,
    /// A custom executor of the framework, over the driver protocol.
    Driver,
}

/// The master that the agent finds after it was replaced.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Masters {
    Genuine,
    Ours,
}

struct Cluster {
    kind: Kind,
    master: Program,
    address: SocketAddr,
    ours: Option<edge::Running>,
    agent: Program,
    port: u16,
    scheduler: Scheduler,
    work: tempfile::TempDir,
}

impl Cluster {
    /// Starts a genuine master and agent.
    async fn start(mesos: &GenuineMesos, kind: Kind) -> Self {
        let agent = |work: &Path, master, port| genuine_agent(mesos, work, master, port);
        Self::start_with(mesos, kind, agent).await
    }

    /// Starts a genuine master and an agent in a directory, at the port.
    async fn start_with(
        mesos: &GenuineMesos,
        kind: Kind,
        agent: impl FnOnce(&Path, SocketAddr, u16) -> Program,
    ) -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let master = mesos.master(&work.path().join("master"), address.port());
        let port = free_port();
        let agent = agent(work.path(), address, port);
        let scheduler = Scheduler::subscribe(address, &framework()).await;
        Cluster { kind, master, address, ours: None, agent, port, scheduler, work }
    }

    /// Launches a task that writes numbers until the file `end` appears.
    async fn launch(&mut self) {
        let offer = self.scheduler.offer().await;
        let mut task = Scheduler::small_task("t", &offer);
        match self.kind {
            Kind::Command => {
                let count = "i=0; while [ ! -e end ]; do i=$((i+1)); echo $i; sleep 0.01; done; echo last";
                task["command"] = json!({ "value": count });
            }
            Kind::Driver => {
                let program = std::env::current_exe().expect("this program");
                task["executor"] = json!({
                    "type": "CUSTOM", "executor_id": { "value": "e" }, "framework_id": { "value": self.scheduler.framework },
                    "resources": task["resources"], "command": { "value": format!("exec {} driver", program.display()) },
                });
            }
        }
        self.scheduler.launch(&offer, &[task]).await;
    }

    async fn until(&mut self, state: &str) -> Value {
        loop {
            let status = self.scheduler.status().await;
            // A master that does not know the task forwards the state that the agent has reported, without a uuid. It
            // needs no acknowledgement.
            if !status["uuid"].is_string() {
                continue;
            }
            self.scheduler.acknowledge(&status).await;
            if status["state"] == state {
                return status;
            }
            assert!(["TASK_STARTING", "TASK_RUNNING"].iter().any(|early| status["state"] == *early), "{status}");
        }
    }

    /// Moves the framework to another master, which does not know it.
    async fn fail_over_to_ours(&mut self) {
        self.master.kill();
        let ours = master();
        self.address = ours.address;
        self.ours = Some(ours);
        self.scheduler = Scheduler::resubscribe(self.address, &self.scheduler.framework, &framework()).await;
    }

    async fn take_over(&mut self, masters: Masters) {
        self.agent.kill();
        if masters == Masters::Ours && self.ours.is_none() {
            self.fail_over_to_ours().await;
        }
        self.agent = our_agent(self.work.path(), self.address, self.port);
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
        find_file(&self.work.path().join("slaves"), "stdout").expect("output")
    }

    /// Checks that everything has ended and that the agent's runtime directory is empty.
    async fn stop(mut self) {
        let _ = self.scheduler.call(self.address, r#""type":"TEARDOWN""#).await;
        let containers = self.work.path().join("run/containers");
        until_async("it comes to pass", async || {
            containers.read_dir().expect("a directory").next().is_none().then_some(())
        })
        .await;
        self.agent.kill();
        self.master.kill();
    }
}

/// A failing test leaves no process either: all processes in the sandboxes are killed.
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

fn framework() -> String {
    json!({
        "user": "root", "name": "n", "checkpoint": true, "failover_timeout": 1000.0,
        "capabilities": [{ "type": "PARTITION_AWARE" }],
    })
    .to_string()
}

fn our_agent(work: &Path, master: SocketAddr, port: u16) -> Program {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("agent").arg(master.to_string()).arg(work).arg(port.to_string());
    Program::start(&mut command, "our agent", work.join("our-agent.log"))
}

fn genuine_agent(mesos: &GenuineMesos, work: &Path, master: SocketAddr, port: u16) -> Program {
    let launcher = work.join("libexec");
    std::fs::create_dir_all(&launcher).expect("a directory");
    let containerizer = launcher.join("mesos-containerizer");
    // An agent that is started again finds its programs.
    if !containerizer.exists() {
        symlink(mesos.directory().join("libexec/mesos-containerizer"), containerizer).expect("a link");
    }
    let program = std::env::current_exe().expect("this program");
    for kind in ["executor", "default-executor"] {
        let script = launcher.join(format!("mesos-{kind}"));
        std::fs::write(&script, format!("#!/bin/sh\nexec {} {kind}\n", program.display())).expect("written");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    mesos.agent(&master.to_string(), (work, &work.join("run")), port, |command| {
        command
            .env("MESOS_LAUNCHER_DIR", launcher)
            .env("MESOS_HTTP_COMMAND_EXECUTOR", "true")
            .env("MESOS_RESOURCES", RESOURCES);
    })
}

async fn a_task_continues(mesos: &GenuineMesos, kind: Kind, masters: Masters) {
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
    until_async("it comes to pass", async || {
        (std::fs::metadata(&stdout).expect("output").len() > length).then_some(())
    })
    .await;
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

async fn a_task_that_ends_while_no_agent_runs_is_reported(mesos: &GenuineMesos, kind: Kind, masters: Masters) {
    let mut cluster = Cluster::start(mesos, kind).await;
    cluster.launch().await;
    cluster.until("TASK_RUNNING").await;
    cluster.agent.kill();
    cluster.end_task();
    let stdout = cluster.stdout();
    until_async("it comes to pass", async || {
        std::fs::read_to_string(&stdout).expect("output").contains("last").then_some(())
    })
    .await;
    cluster.take_over(masters).await;
    let finished = cluster.until("TASK_FINISHED").await;
    assert_eq!(finished["source"], "SOURCE_EXECUTOR", "{finished}");
    cluster.stop().await;
    println!("a task that ends while no agent runs ({kind:?}, {masters:?} master) ... ok");
}

/// The genuine agent has written the update down and could not say it to anybody.
async fn an_update_that_reached_no_master_is_delivered(mesos: &GenuineMesos, kind: Kind) {
    let mut cluster = Cluster::start(mesos, kind).await;
    cluster.launch().await;
    cluster.until("TASK_RUNNING").await;
    cluster.master.kill();
    let updates = find_file(&cluster.work.path().join("meta"), "task.updates").expect("updates");
    let length = std::fs::metadata(&updates).expect("updates").len();
    cluster.end_task();
    until_async("it comes to pass", async || {
        (std::fs::metadata(&updates).expect("updates").len() > length).then_some(())
    })
    .await;
    cluster.take_over(Masters::Ours).await;
    let finished = cluster.until("TASK_FINISHED").await;
    assert_eq!(finished["source"], "SOURCE_EXECUTOR", "{finished}");
    cluster.stop().await;
    println!("an update that no master took ({kind:?}) ... ok");
}

async fn an_executor_that_died_meanwhile_is_reported(mesos: &GenuineMesos) {
    let mut cluster = Cluster::start(mesos, Kind::Driver).await;
    cluster.launch().await;
    cluster.until("TASK_RUNNING").await;
    cluster.agent.kill();
    let pid = std::fs::read_to_string(find_file(&cluster.work.path().join("meta"), "forked.pid").expect("a pid"));
    let pid = pid.ok().and_then(|pid| rustix::process::Pid::from_raw(pid.trim().parse().ok()?)).expect("a pid");
    rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).expect("killed");
    cluster.take_over(Masters::Genuine).await;
    let failed = cluster.until("TASK_FAILED").await;
    assert_eq!(failed["reason"], "REASON_EXECUTOR_TERMINATED", "{failed}");
    cluster.stop().await;
    println!("an executor that died meanwhile ... ok");
}
