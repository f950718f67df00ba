//! An agent is killed at critical moments and started again: its tasks continue, and every update arrives.
//!
//! The test harness does not run this file, because this program is also the agent that is killed, and its executor.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use containerizer::Launcher;
use edge::Running;
use serde_json::{Value, json};
use support::{config, master, options};
use testkit::http::{Scheduler, get};
use testkit::process::kill_containers_of;
use testkit::scratch::{cgroup_roots, cgroups_below, cgroups_root, find_file, free_port};
use testkit::wait::{TIMEOUT, until_async};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("executor") => return executor::main(),
        Some("agent") => return agent(&arguments[2], Path::new(&arguments[3]), arguments[4].parse().expect("a port")),
        _ => {}
    }
    support::block_on(async {
        for launcher in launchers() {
            a_task_survives_the_agent_and_its_output_is_complete(launcher).await;
            a_task_that_ends_meanwhile_is_reported(launcher).await;
            completed_tasks_are_shown_after_a_restart(launcher).await;
            an_executor_that_ended_without_the_agent_is_reported(launcher).await;
            an_executor_that_was_killed_meanwhile_is_reported(launcher).await;
            an_unacknowledged_update_is_resent_with_the_same_uuid(launcher).await;
            a_task_continues_without_its_runtime_directory(launcher).await;
            no_container_runs_after_all_records_are_lost(launcher).await;
            tasks_survive_the_removal_of_the_directories_of_a_running_agent(launcher).await;
        }
        a_kill_at_any_moment_of_a_launch_loses_nothing().await;
        let many = std::env::var("RECOVERY_CONTAINERS").ok().and_then(|number| number.parse().ok());
        many_containers_are_recovered(many.unwrap_or(20)).await;
        without_checkpointing_no_container_is_left().await;
        an_executor_that_hangs_is_ended().await;
        another_configuration_is_refused().await;
    });
    ExitCode::SUCCESS
}

/// Returns the launchers to test. The Linux launcher needs root and writable cgroups.
fn launchers() -> Vec<Launcher> {
    let directory = tempfile::tempdir().expect("a directory");
    let config = containerizer::Config {
        launcher: Launcher::Linux,
        runtime_dir: directory.path().join("run"),
        cgroups_root: cgroups_root(directory.path()),
        ..containerizer::Config::default()
    };
    match containerizer::Containerizer::new(config, |_| {}) {
        Ok(containerizer) => {
            containerizer.stop();
            vec![Launcher::Posix, Launcher::Linux]
        }
        Err(error) => {
            testkit::skip::skipped("recovery::linux_launcher", &error.to_string());
            vec![Launcher::Posix]
        }
    }
}

/// Returns the cgroups of the containers of an agent, in all hierarchies.
fn cgroups(work: &Path) -> Vec<PathBuf> {
    cgroups_below(&cgroups_root(work))
}

/// Runs the agent's process.
fn agent(master: &str, work: &Path, port: u16) -> ExitCode {
    let cpus = match work {
        work if work.join("fewer").exists() => "cpus:1;mem:512",
        work if work.join("large").exists() => "cpus:1000;mem:1000000",
        _ => "cpus:2;mem:512",
    };
    let mut config = config(work, cpus);
    if work.join("impatient").exists() {
        config.recovery_timeout = Duration::from_secs(2);
    }
    let mut options = options("recovery", master, port, config);
    if work.join("linux").exists() {
        let isolation = ["cgroups/cpu", "cgroups/mem", "cgroups/pids", "namespaces/pid", "filesystem/linux"];
        options.containerizer.launcher = Launcher::Linux;
        options.containerizer.isolation = isolation.map(str::to_owned).to_vec();
        options.containerizer.cgroups_root = cgroups_root(work);
    }
    support::run(options, |error| std::fs::write(work.join("refused"), error.to_string()).expect("written"))
}

struct Cluster {
    master: Running,
    agent: Child,
    port: u16,
    scheduler: Scheduler,
    work: tempfile::TempDir,
    /// Whether the scheduler acknowledges statuses.
    acknowledges: bool,
}

impl Cluster {
    async fn start(checkpoint: bool) -> Self {
        Self::start_with(checkpoint, &[]).await
    }

    async fn start_on(launcher: Launcher) -> Self {
        Self::start_with(true, if launcher == Launcher::Linux { &["linux"] } else { &[] }).await
    }

    /// Starts a cluster. The files in `marks` tell the agent's process what differs.
    async fn start_with(checkpoint: bool, marks: &[&str]) -> Self {
        let work = tempfile::tempdir().expect("a directory");
        for mark in marks {
            std::fs::write(work.path().join(mark), "").expect("written");
        }
        let master = master();
        let port = free_port();
        let agent = spawn(&master, work.path(), port);
        let info = json!({
            "user": "root", "name": "n", "checkpoint": checkpoint, "failover_timeout": 1000.0,
            "capabilities": [{ "type": "PARTITION_AWARE" }],
        });
        let scheduler = Scheduler::subscribe(master.address, &info.to_string()).await;
        Cluster { master, agent, port, scheduler, work, acknowledges: true }
    }

    fn kill(&mut self) {
        self.agent.kill().expect("killed");
        self.agent.wait().expect("reaped");
    }

    fn restart(&mut self) {
        self.agent = spawn(&self.master, self.work.path(), self.port);
    }

    async fn launch(&mut self, command: &str) {
        self.launch_all(&["t".to_owned()], command).await;
    }

    async fn launch_all(&mut self, ids: &[String], command: &str) {
        let offer = self.scheduler.offer().await;
        let task = |id: &String| {
            let mut task = Scheduler::small_task(id, &offer);
            task["command"] = json!({ "value": command });
            task
        };
        let tasks: Vec<Value> = ids.iter().map(task).collect();
        self.scheduler.launch(&offer, &tasks).await;
    }

    async fn status(&mut self) -> Value {
        let status = self.scheduler.status().await;
        if self.acknowledges {
            self.scheduler.acknowledge(&status).await;
        }
        status
    }

    /// Returns the next status that is not in `seen`. An acknowledgement that reaches the master while the agent is
    /// away is lost, and the update is sent again.
    async fn unseen(&mut self, seen: &[Value]) -> Value {
        loop {
            let status = self.status().await;
            if !seen.contains(&status["uuid"]) {
                return status;
            }
            self.scheduler.acknowledge(&status).await;
        }
    }

    /// Waits for a status in this state and skips the states that may come before it.
    async fn until(&mut self, state: &str) -> Value {
        loop {
            let status = self.status().await;
            if status["state"] == state {
                return status;
            }
            assert!(is_early(&status), "{status}");
        }
    }

    /// Returns a file that the agent's own processes have written into the sandbox of the one task.
    fn sandbox(&self, name: &str) -> PathBuf {
        let found = find_file(self.work.path(), name);
        found.unwrap_or_else(|| panic!("no {name} below {}", self.work.path().display()))
    }

    async fn agent_id(&self) -> Option<String> {
        let state = get(self.master.address, "/state").await.json();
        state["slaves"].as_array()?.iter().find(|slave| slave["active"] == true)?["id"].as_str().map(str::to_owned)
    }

    /// Returns the task as the agent shows it once its framework has completed. Repeated updates are acknowledged
    /// again, because the agent may have been killed before it stored the acknowledgement.
    async fn completed_task(&mut self) -> Value {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let acknowledging = async {
            loop {
                self.status().await;
            }
        };
        tokio::select! {
            task = completed_task(address) => task,
            () = acknowledging => Value::Null,
        }
    }

    async fn stop(mut self) {
        // The master notifies the executors, which end.
        let _ = self.scheduler.call(self.master.address, r#""type":"TEARDOWN""#).await;
        // A thousand containers take longer than one.
        let deadline = Instant::now() + 3 * TIMEOUT;
        while find_file(&self.work.path().join("run/containers"), "state").is_some() {
            assert!(Instant::now() < deadline, "containers are left");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(cgroups(self.work.path()), Vec::<PathBuf>::new());
        self.kill();
    }
}

/// Returns whether a status is of a task that has not ended.
fn is_early(status: &Value) -> bool {
    ["TASK_STARTING", "TASK_RUNNING"].iter().any(|early| status["state"] == *early)
}

/// A failing test leaves no process either.
impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
        while let Some(path) = find_file(&self.work.path().join("run/containers"), "state") {
            let state = std::fs::read_to_string(&path).unwrap_or_default();
            let pid = state.lines().find_map(|line| line.strip_prefix("pid ")?.parse().ok());
            let _ = pid
                .and_then(rustix::process::Pid::from_raw)
                .map(|pid| rustix::process::kill_process_group(pid, rustix::process::Signal::KILL));
            let _ = std::fs::remove_file(path);
        }
        kill_containers_of(self.work.path());
        self.remove_cgroups();
    }
}

impl Cluster {
    fn remove_cgroups(&self) {
        let groups = cgroups(self.work.path());
        for group in &groups {
            // With v2, the processes are in a child.
            let _ = std::fs::write(group.join("cgroup.kill"), "1");
            for pid in std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
                let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
                let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
            }
        }
        let deadline = Instant::now() + TIMEOUT;
        let is_left = |group: &PathBuf| {
            let _ = std::fs::remove_dir(group.join("leaf"));
            group.exists() && std::fs::remove_dir(group).is_err()
        };
        while groups.iter().any(is_left) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        for root in cgroup_roots(&cgroups_root(self.work.path())) {
            let _ = std::fs::remove_dir(root);
        }
    }

    /// Returns the pid of the first process of the only container.
    fn executor(&self) -> rustix::process::Pid {
        // The pid is written once the process runs, which may have reported before.
        let deadline = Instant::now() + TIMEOUT;
        let look = || find_file(&self.work.path().join("run/containers"), "state");
        let state = std::iter::repeat_with(look).take_while(|_| Instant::now() < deadline).flatten().next();
        let state = state.expect("a container");
        let state = std::fs::read_to_string(state).expect("its state");
        let pid = state.lines().find_map(|line| line.strip_prefix("pid ")?.parse().ok()).expect("a pid");
        rustix::process::Pid::from_raw(pid).expect("a pid")
    }
}

async fn completed_task(address: SocketAddr) -> Value {
    let begun = Instant::now();
    loop {
        // The agent does not exist yet, or has not recovered.
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            let text = get(address, "/state").await.text();
            let state: Value = serde_json::from_str(&text).unwrap_or_default();
            let task = &state["completed_frameworks"][0]["completed_executors"][0]["completed_tasks"][0];
            if !task.is_null() {
                return task.clone();
            }
            assert!(begun.elapsed() < TIMEOUT, "{text}");
        }
        assert!(begun.elapsed() < TIMEOUT, "no agent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_alive(pid: rustix::process::Pid) -> bool {
    testkit::process::is_alive(pid.as_raw_nonzero().get().cast_unsigned())
}

fn spawn(master: &Running, work: &Path, port: u16) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("agent").arg(master.address.to_string()).arg(work).arg(port.to_string());
    command.spawn().expect("an agent")
}

/// A command that writes numbers until the file `end` appears.
const COUNTING: &str = "i=0; while [ ! -e end ]; do i=$((i+1)); echo $i; sleep 0.01; done; echo last";

async fn a_task_survives_the_agent_and_its_output_is_complete(launcher: Launcher) {
    let mut cluster = Cluster::start_on(launcher).await;
    cluster.launch(COUNTING).await;
    cluster.until("TASK_RUNNING").await;
    let before = cluster.agent_id().await;
    let stdout = cluster.sandbox("stdout");
    cluster.kill();
    let length = std::fs::metadata(&stdout).expect("output").len();
    until_async("it comes to pass", async || {
        (std::fs::metadata(&stdout).expect("output").len() > length + 20).then_some(())
    })
    .await;
    cluster.restart();
    std::fs::write(stdout.with_file_name("end"), "").expect("written");
    let finished = cluster.until("TASK_FINISHED").await;
    assert_eq!(finished["source"], "SOURCE_EXECUTOR");
    assert_eq!(cluster.agent_id().await, before, "the agent has kept its id");
    let text = std::fs::read_to_string(&stdout).expect("output");
    let numbers = text.lines().take_while(|line| *line != "last");
    assert!(numbers.zip(1..).all(|(line, number)| line == number.to_string()), "{text}");
    assert!(text.ends_with("last\n"), "{text}");
    cluster.stop().await;
    println!("a task outlives the agent ({launcher:?}) ... ok");
}

async fn a_task_that_ends_meanwhile_is_reported(launcher: Launcher) {
    let mut cluster = Cluster::start_on(launcher).await;
    cluster.launch(COUNTING).await;
    cluster.until("TASK_RUNNING").await;
    let stdout = cluster.sandbox("stdout");
    cluster.kill();
    std::fs::write(stdout.with_file_name("end"), "").expect("written");
    until_async("it comes to pass", async || {
        std::fs::read_to_string(&stdout).expect("output").ends_with("last\n").then_some(())
    })
    .await;
    cluster.restart();
    let finished = cluster.until("TASK_FINISHED").await;
    assert_eq!(finished["message"], "Command exited with status 0");
    cluster.stop().await;
    println!("a task that ends meanwhile ({launcher:?}) ... ok");
}

async fn completed_tasks_are_shown_after_a_restart(launcher: Launcher) {
    let mut cluster = Cluster::start_on(launcher).await;
    cluster.launch("echo done").await;
    cluster.until("TASK_FINISHED").await;
    let before = cluster.completed_task().await;
    assert_eq!((&before["id"], &before["state"]), (&json!("t"), &json!("TASK_FINISHED")));
    cluster.kill();
    cluster.restart();
    assert_eq!(cluster.completed_task().await, before);
    cluster.stop().await;
    println!("what ended before is still shown ({launcher:?}) ... ok");
}

/// The runtime directory is in memory on most machines, and some machines clean it up.
async fn a_task_continues_without_its_runtime_directory(launcher: Launcher) {
    let mut cluster = Cluster::start_on(launcher).await;
    cluster.launch(COUNTING).await;
    cluster.until("TASK_RUNNING").await;
    let (stdout, executor) = (cluster.sandbox("stdout"), cluster.executor());
    cluster.kill();
    std::fs::remove_dir_all(cluster.work.path().join("run")).expect("removed");
    cluster.restart();
    until_async("it comes to pass", async || find_file(&cluster.work.path().join("run/containers"), "state")).await;
    assert_eq!(cluster.executor(), executor);
    std::fs::write(stdout.with_file_name("end"), "").expect("written");
    cluster.until("TASK_FINISHED").await;
    cluster.stop().await;
    println!("without its runtime directory ({launcher:?}) ... ok");
}

async fn no_container_runs_after_all_records_are_lost(launcher: Launcher) {
    let mut cluster = Cluster::start_on(launcher).await;
    cluster.launch("sleep 1000").await;
    cluster.until("TASK_RUNNING").await;
    let executor = cluster.executor();
    cluster.kill();
    for entry in std::fs::read_dir(cluster.work.path()).expect("read").flatten() {
        if entry.path().is_dir() {
            std::fs::remove_dir_all(entry.path()).expect("removed");
        }
    }
    cluster.restart();
    until_async("it comes to pass", async || (!is_alive(executor)).then_some(())).await;
    until_async("it comes to pass", async || cgroups(cluster.work.path()).is_empty().then_some(())).await;
    cluster.stop().await;
    println!("everything forgotten ({launcher:?}) ... ok");
}

/// The agent writes its records anew, so that the next process knows the tasks of the time before and of the time after.
async fn tasks_survive_the_removal_of_the_directories_of_a_running_agent(launcher: Launcher) {
    let marks: &[&str] = if launcher == Launcher::Linux { &["linux"] } else { &[] };
    // The last case is the work directory itself.
    for vanished in [&["records"][..], &["slaves", "meta", "records", "run"], &[""]] {
        let mut cluster = Cluster::start_on(launcher).await;
        std::fs::create_dir(cluster.work.path().join("meta")).expect("made");
        cluster.launch("sleep 1000").await;
        cluster.until("TASK_RUNNING").await;
        let before = cluster.agent_id().await;
        for directory in vanished {
            let directory = cluster.work.path().join(directory);
            // The agent may make something in it at the same time.
            until_async("it is removed", async || {
                (std::fs::remove_dir_all(&directory).is_ok() || !directory.exists()).then_some(())
            })
            .await;
        }
        let records = cluster.work.path().join("records");
        let log = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "log");
        until_async("the records are written anew", async || {
            std::fs::read_dir(&records).into_iter().flatten().flatten().find(log)
        })
        .await;
        cluster.launch_all(&["later".to_owned()], "sleep 1000").await;
        cluster.until("TASK_RUNNING").await;
        cluster.kill();
        for mark in marks {
            std::fs::write(cluster.work.path().join(mark), "").expect("written");
        }
        cluster.restart();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster.port));
        until_async("the agent is back", async || {
            tokio::net::TcpStream::connect(address).await.ok()?;
            (get(address, "/metrics/snapshot").await.json()["slave/registered"] == 1.0).then_some(())
        })
        .await;
        assert_eq!(cluster.agent_id().await, before, "the agent has kept its id");
        for task in ["t", "later"] {
            let kill = format!(r#""type":"KILL","kill":{{"task_id":{{"value":"{task}"}}}}"#);
            assert_eq!(cluster.scheduler.call(cluster.master.address, &kill).await.status, 202);
            let killed = cluster.until("TASK_KILLED").await;
            assert_eq!((&killed["task_id"]["value"], &killed["source"]), (&json!(task), &json!("SOURCE_EXECUTOR")));
        }
        cluster.stop().await;
    }
    println!("removed directories ({launcher:?}) ... ok");
}

/// The executor ends after the recovery timeout, and writes its unacknowledged updates to its sandbox.
async fn an_executor_that_ended_without_the_agent_is_reported(launcher: Launcher) {
    let marks: &[&str] = if launcher == Launcher::Linux { &["impatient", "linux"] } else { &["impatient"] };
    for (status, state) in [(0, "TASK_FINISHED"), (3, "TASK_FAILED")] {
        let mut cluster = Cluster::start_with(true, marks).await;
        cluster.launch(&format!("echo begun; while [ ! -e end ]; do sleep 0.01; done; exit {status}")).await;
        cluster.until("TASK_RUNNING").await;
        let (stdout, executor) = (cluster.sandbox("stdout"), cluster.executor());
        cluster.kill();
        std::fs::write(stdout.with_file_name("end"), "").expect("written");
        until_async("it comes to pass", async || (!is_alive(executor)).then_some(())).await;
        cluster.restart();
        let ended = cluster.until(state).await;
        assert_eq!(ended["message"], format!("Command exited with status {status}"), "{ended}");
        assert_eq!(ended["source"], "SOURCE_EXECUTOR", "{ended}");
        cluster.stop().await;
    }
    println!("an executor that did not wait ({launcher:?}) ... ok");
}

async fn an_executor_that_was_killed_meanwhile_is_reported(launcher: Launcher) {
    let mut cluster = Cluster::start_on(launcher).await;
    cluster.launch("sleep 1000").await;
    cluster.until("TASK_RUNNING").await;
    let executor = cluster.executor();
    cluster.kill();
    rustix::process::kill_process(executor, rustix::process::Signal::KILL).expect("killed");
    until_async("it comes to pass", async || (!is_alive(executor)).then_some(())).await;
    cluster.restart();
    let failed = cluster.until("TASK_FAILED").await;
    assert_eq!(failed["reason"], "REASON_EXECUTOR_TERMINATED", "{failed}");
    cluster.stop().await;
    println!("an executor that was killed meanwhile ({launcher:?}) ... ok");
}

async fn an_unacknowledged_update_is_resent_with_the_same_uuid(launcher: Launcher) {
    let mut cluster = Cluster::start_on(launcher).await;
    cluster.acknowledges = false;
    cluster.launch("exit 3").await;
    let starting = cluster.status().await;
    assert_eq!(starting["state"], "TASK_STARTING");
    // Everything is on disk, and the executor has ended or waits for its acknowledgement.
    cluster.kill();
    cluster.restart();
    let mut seen = Vec::new();
    for expected in ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"] {
        let status = cluster.unseen(&seen).await;
        assert_eq!(status["state"], expected, "{status}");
        cluster.kill();
        cluster.restart();
        let again = cluster.unseen(&seen).await;
        assert_eq!(again["uuid"], status["uuid"], "{again}");
        cluster.scheduler.acknowledge(&again).await;
        seen.push(status["uuid"].clone());
    }
    assert_eq!(seen[0], starting["uuid"]);
    cluster.stop().await;
    println!("unacknowledged updates ({launcher:?}) ... ok");
}

async fn a_kill_at_any_moment_of_a_launch_loses_nothing() {
    for delay in [0, 1, 2, 4, 8, 15, 30, 60] {
        let mut cluster = Cluster::start(true).await;
        cluster.launch("sleep 0.2").await;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        cluster.kill();
        cluster.restart();
        // The task finishes if the executor had it, and otherwise is dropped, lost or failed. In each case the
        // scheduler gets an update.
        let last = loop {
            let status = cluster.status().await;
            if !is_early(&status) {
                break status;
            }
        };
        let end = last["state"].as_str().expect("a state");
        // The task is lost if the agent was killed before its own id was on disk.
        let ends = ["TASK_FINISHED", "TASK_DROPPED", "TASK_FAILED", "TASK_GONE", "TASK_LOST"];
        let refused = std::fs::read_to_string(cluster.work.path().join("refused")).unwrap_or_default();
        assert!(ends.contains(&end), "{last} {refused}");
        println!("killed {delay} ms after the launch: {end}");
        cluster.stop().await;
    }
}

/// The test also measures: `RECOVERY_CONTAINERS=1000 cargo test -p agent-server --test recovery -- --nocapture`.
async fn many_containers_are_recovered(number: usize) {
    let mut cluster = Cluster::start_with(true, &["large"]).await;
    let tasks: Vec<String> = (0..number).map(|number| format!("t{number}")).collect();
    cluster.launch_all(&tasks, "sleep 10000").await;
    let mut running = 0;
    while running < number {
        let status = cluster.status().await;
        assert!(is_early(&status), "{status}");
        running += usize::from(status["state"] == "TASK_RUNNING");
    }
    cluster.kill();
    let begun = Instant::now();
    cluster.restart();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster.port));
    let took = loop {
        let deadline = begun + 3 * TIMEOUT;
        assert!(Instant::now() < deadline, "the agent is not back");
        tokio::time::sleep(Duration::from_millis(50)).await;
        if tokio::net::TcpStream::connect(address).await.is_err() {
            continue;
        }
        let metrics = get(address, "/metrics/snapshot").await.json();
        if metrics["slave/registered"] == 1.0 {
            assert_eq!(metrics["slave/executors_running"], number as f64);
            assert_eq!(metrics["slave/tasks_running"], number as f64);
            break (begun.elapsed(), metrics["slave/recovery_time_secs"].clone());
        }
    };
    println!("{number} containers: recovered in {} s, registered after {:?}", took.1, took.0);
    cluster.stop().await;
}

async fn without_checkpointing_no_container_is_left() {
    let mut cluster = Cluster::start(false).await;
    cluster.launch("sleep 1000").await;
    cluster.until("TASK_RUNNING").await;
    cluster.executor();
    cluster.kill();
    cluster.restart();
    let run = cluster.work.path().join("run/containers");
    until_async("it comes to pass", async || find_file(&run, "state").is_none().then_some(())).await;
    cluster.stop().await;
    println!("without checkpointing ... ok");
}

async fn an_executor_that_hangs_is_ended() {
    let mut cluster = Cluster::start(true).await;
    cluster.launch("sleep 1000").await;
    cluster.until("TASK_RUNNING").await;
    rustix::process::kill_process(cluster.executor(), rustix::process::Signal::STOP).expect("stopped");
    cluster.kill();
    cluster.restart();
    let gone = cluster.until("TASK_GONE").await;
    assert_eq!(gone["reason"], "REASON_EXECUTOR_REREGISTRATION_TIMEOUT", "{gone}");
    assert_eq!(gone["message"], "Executor did not reregister within 2secs", "{gone}");
    cluster.stop().await;
    println!("an executor that hangs ... ok");
}

async fn another_configuration_is_refused() {
    let mut cluster = Cluster::start(true).await;
    cluster.launch("sleep 1000").await;
    cluster.until("TASK_RUNNING").await;
    cluster.kill();
    std::fs::write(cluster.work.path().join("fewer"), "").expect("written");
    cluster.restart();
    cluster.agent.wait().expect("it ends");
    let refusal = std::fs::read_to_string(cluster.work.path().join("refused")).expect("the refusal");
    assert!(refusal.contains(&format!("rm -rf {}", cluster.work.path().join("records").display())), "{refusal}");
    assert!(
        refusal.contains("Incompatible agent info detected") && refusal.contains("--reconfiguration_policy"),
        "{refusal}"
    );
    // The state is unchanged, so that the agent continues with the old configuration.
    std::fs::remove_file(cluster.work.path().join("fewer")).expect("removed");
    cluster.restart();
    cluster.stop().await;
    println!("another configuration ... ok");
}
