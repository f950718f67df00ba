//! Real tasks: a master, an agent and command executors.
//!
//! The test harness does not run this file, because the agent starts this program again as the executor.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod nested;
mod support;

use std::process::ExitCode;

use agent_server::start;
use edge::Running;
use serde_json::{Value, json};
use support::{config, master, options};
use testkit::http::{Scheduler, get};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("executor") => return executor::main(),
        Some("container-init") => return executor::init(),
        _ => {}
    }
    support::block_on(async {
        a_task_runs_and_its_output_is_kept().await;
        a_failed_task_reports_its_status().await;
        a_killed_task_leaves_no_process().await;
        files_are_fetched_first().await;
        files_are_cached().await;
        a_container_that_cannot_be_prepared_fails_its_task().await;
        a_task_that_cannot_be_isolated_as_requested_is_refused().await;
        a_secret_arrives_or_the_task_is_refused().await;
        the_environment_of_a_task_does_not_replace_that_of_its_executor().await;
        nested::nested_containers_run_in_their_parent().await;
        nested::executors_may_launch_at_once().await;
        nested::nested_containers_end_with_their_parent().await;
        nested::a_session_has_the_streams_of_its_caller().await;
        nested::a_session_can_have_a_terminal().await;
        nested::a_command_task_can_have_a_terminal().await;
        nested::a_terminal_outlives_its_callers().await;
        nested::a_slow_reader_stops_the_program().await;
        nested::standalone_containers_belong_to_no_executor().await;
    });
    ExitCode::SUCCESS
}

struct Cluster {
    /// Runs as long as this.
    _master: Running,
    agent: Running,
    scheduler: Scheduler,
    work: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let master = master();
        let mut options = options("tasks", master.address, 0, config(work.path(), "cpus:2;mem:512"));
        options.fetch.cache_dir = Some(work.path().join("fetch"));
        options.fetch.cache_size = 1 << 20;
        let agent = start(options).expect("the agent starts");
        let user = r#"{"user":"root","name":"n","capabilities":[{"type":"PARTITION_AWARE"}]}"#;
        let scheduler = Scheduler::subscribe(master.address, user).await;
        Cluster { _master: master, agent, scheduler, work }
    }

    /// Launches a task on the next offer.
    async fn launch(&mut self, command: Value) {
        self.launch_with(json!({ "command": command })).await;
    }

    /// Launches a task with these fields on the next offer.
    async fn launch_with(&mut self, fields: Value) {
        let offer = self.scheduler.offer().await;
        let mut task = Scheduler::small_task("t", &offer);
        for (name, value) in fields.as_object().expect("fields") {
            task[name] = value.clone();
        }
        self.scheduler.launch(&offer, &[task]).await;
    }

    /// Returns an output of the task as `/files` shows it.
    async fn output(&self, name: &str) -> String {
        let path = format!("/frameworks/{}/executors/t/runs/latest/{name}", self.scheduler.framework);
        let read = get(self.agent.address, &format!("/files/read?path={path}&offset=0")).await;
        assert_eq!(read.status, 200, "{}", read.text());
        read.json()["data"].as_str().expect("data").to_owned()
    }

    async fn stop(self) {
        self.agent.unregister();
        self.agent.wait().await;
        drop(self.work);
    }
}

async fn a_task_runs_and_its_output_is_kept() {
    let mut cluster = Cluster::start().await;
    cluster.launch(json!({ "value": "echo hello; echo failure >&2; env" })).await;
    let finished = cluster.scheduler.until("TASK_FINISHED").await;
    assert_eq!(finished["source"], "SOURCE_EXECUTOR");
    let address = &finished["container_status"]["network_infos"][0]["ip_addresses"][0]["ip_address"];
    assert_eq!(address, "127.0.0.1", "{finished}");
    let output = cluster.output("stdout").await;
    assert!(output.starts_with("hello\n"), "{output}");
    assert!(output.contains("\nMESOS_SANDBOX="), "{output}");
    assert!(cluster.output("stderr").await.contains("failure\n"));
    cluster.stop().await;
}

async fn a_failed_task_reports_its_status() {
    let mut cluster = Cluster::start().await;
    cluster.launch(json!({ "value": "exit 7" })).await;
    let failed = cluster.scheduler.until("TASK_FAILED").await;
    assert!(failed["message"].as_str().unwrap_or_default().contains("exited with status 7"), "{failed}");
    cluster.stop().await;
}

async fn a_killed_task_leaves_no_process() {
    let mut cluster = Cluster::start().await;
    cluster.launch(json!({ "shell": false, "value": "/bin/sleep", "arguments": ["sleep", "1000"] })).await;
    let running = cluster.scheduler.until("TASK_RUNNING").await;
    let kill = json!({ "task_id": { "value": "t" }, "agent_id": running["agent_id"] });
    cluster.scheduler.accepted("KILL", "kill", kill).await;
    cluster.scheduler.until("TASK_KILLED").await;
    cluster.stop().await;
}

async fn files_are_fetched_first() {
    let mut cluster = Cluster::start().await;
    let source = cluster.work.path().join("greeting");
    std::fs::write(&source, "from far away").expect("written");
    let uri = json!({ "value": format!("file://{}", source.display()), "output_file": "got" });
    cluster.launch(json!({ "value": "cat got", "uris": [uri] })).await;
    cluster.scheduler.until("TASK_FINISHED").await;
    assert!(cluster.output("stdout").await.contains("from far away"));
    cluster.stop().await;
}

async fn files_are_cached() {
    let mut cluster = Cluster::start().await;
    let source = cluster.work.path().join("greeting");
    std::fs::write(&source, "from far away").expect("written");
    let uri = json!({ "value": format!("file://{}", source.display()), "cache": true });
    cluster.launch(json!({ "value": "cat greeting", "uris": [uri] })).await;
    cluster.scheduler.until("TASK_FINISHED").await;
    assert!(cluster.output("stdout").await.contains("from far away"));
    let metrics = get(cluster.agent.address, "/metrics/snapshot").await.json();
    assert_eq!(metrics["containerizer/fetcher/cache_size_used_bytes"], 13.0);
    assert_eq!(metrics["containerizer/fetcher/cache_size_total_bytes"], f64::from(1 << 20));
    cluster.stop().await;
}

async fn a_container_that_cannot_be_prepared_fails_its_task() {
    let mut cluster = Cluster::start().await;
    cluster.launch(json!({ "value": "true", "uris": [{ "value": "file:///nonexistent/file" }] })).await;
    let failed = cluster.scheduler.until("TASK_FAILED").await;
    assert_eq!(failed["reason"], "REASON_CONTAINER_LAUNCH_FAILED", "{failed}");
    assert!(failed["message"].as_str().unwrap_or_default().contains("/nonexistent/file"), "{failed}");
    let metrics = get(cluster.agent.address, "/metrics/snapshot").await.json();
    assert_eq!(metrics["containerizer/fetcher/task_fetches_failed"], 1.0);
    cluster.stop().await;
}

/// An agent that ignores these fields would run the task without the isolation that it asks for.
async fn a_task_that_cannot_be_isolated_as_requested_is_refused() {
    let linux = |info: Value| json!({ "type": "MESOS", "linux_info": info });
    let capabilities = json!({ "capabilities": ["NET_RAW"] });
    for (field, container) in [
        ("container.linux_info.effective_capabilities", linux(json!({ "effective_capabilities": capabilities }))),
        ("container.linux_info.bounding_capabilities", linux(json!({ "bounding_capabilities": capabilities }))),
        ("container.linux_info.seccomp.profile_name", linux(json!({ "seccomp": { "profile_name": "none.json" } }))),
        ("container.linux_info.ipc_mode", linux(json!({ "ipc_mode": "PRIVATE" }))),
        ("container.network_infos[0].name", json!({ "type": "MESOS", "network_infos": [{ "name": "none" }] })),
        ("container.hostname", json!({ "type": "MESOS", "hostname": "h" })),
        (
            "container.rlimit_info.rlimits[0]",
            json!({ "type": "MESOS", "rlimit_info": { "rlimits": [{ "type": "RLMT_CORE", "hard": 0, "soft": 0 }] } }),
        ),
    ] {
        let mut cluster = Cluster::start().await;
        cluster.launch_with(json!({ "command": { "value": "true" }, "container": container })).await;
        let failed = cluster.scheduler.until("TASK_FAILED").await;
        assert_eq!(failed["reason"], "REASON_CONTAINER_LAUNCH_FAILED", "{failed}");
        let message = failed["message"].as_str().unwrap_or_default();
        assert!(message.contains(&format!("'task.{field}' cannot be carried out")), "{message}");
        cluster.stop().await;
    }
}

fn with_secret(command: &str, secret: &Value) -> Value {
    let variable = json!({ "name": "S", "type": "SECRET", "secret": secret });
    json!({ "value": command, "environment": { "variables": [variable] } })
}

async fn a_secret_arrives_or_the_task_is_refused() {
    let mut cluster = Cluster::start().await;
    // The value is the base64 of "sss".
    let value = json!({ "type": "VALUE", "value": { "data": "c3Nz" } });
    cluster.launch(with_secret("test \"$S\" = sss", &value)).await;
    cluster.scheduler.until("TASK_FINISHED").await;
    cluster.stop().await;

    let mut cluster = Cluster::start().await;
    let reference = json!({ "type": "REFERENCE", "reference": { "name": "vault/x" } });
    cluster.launch(with_secret("true", &reference)).await;
    let failed = cluster.scheduler.until("TASK_FAILED").await;
    assert!(failed["message"].as_str().unwrap_or_default().contains("a secret resolver"), "{failed}");
    cluster.stop().await;
}

async fn the_environment_of_a_task_does_not_replace_that_of_its_executor() {
    let mut cluster = Cluster::start().await;
    let variables = json!([
        { "name": "MESOS_AGENT_ENDPOINT", "value": "127.0.0.1:1" },
        { "name": "MESOS_FRAMEWORK_ID", "value": "another" },
    ]);
    let command = "echo $MESOS_AGENT_ENDPOINT $MESOS_FRAMEWORK_ID";
    cluster.launch(json!({ "value": command, "environment": { "variables": variables } })).await;
    cluster.scheduler.until("TASK_FINISHED").await;
    let output = cluster.output("stdout").await;
    assert!(output.contains("127.0.0.1:1 another\n"), "{output}");
    cluster.stop().await;
}
