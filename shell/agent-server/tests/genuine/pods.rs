//! A pod under Tepui's default executor at an agent of Mesos, and under that of Mesos at an agent of Tepui. The agent is
//! restarted while the pod runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use testkit::http::Scheduler;
use testkit::process::{GenuineMesos, Program};
use testkit::scratch::find_file;
use testkit::wait::{TIMEOUT, until_async};

use super::{Cluster, Kind, genuine_agent, our_agent};

pub async fn a_pod_goes_on(mesos: &GenuineMesos) {
    let mut cluster = Cluster::start(mesos, Kind::Command).await;
    let offer = cluster.scheduler.offer().await;
    // Each task marks its sandbox with its name, and ends once the file `end` appears there.
    let task = |name: &str| {
        let mut task = Scheduler::small_task(name, &offer);
        let command = format!("touch is-{name}; while [ ! -e end ]; do sleep 0.01; done; exit 3");
        task["command"] = json!({ "value": command });
        task
    };
    let amounts = [("cpus", 0.1), ("mem", 32.0), ("disk", 16.0)].map(|(name, value)| Scheduler::scalar(name, value));
    let executor = json!({
        "type": "DEFAULT", "executor_id": { "value": "pod" },
        "framework_id": { "value": cluster.scheduler.framework }, "resources": amounts,
    });
    let group = json!({ "executor": executor, "task_group": { "tasks": [task("a"), task("b")] } });
    cluster.scheduler.accept(&offer, json!([{ "type": "LAUNCH_GROUP", "launch_group": group }])).await;
    until_states(&mut cluster, &[("a", "TASK_RUNNING"), ("b", "TASK_RUNNING")]).await;
    sandbox(&cluster, "a").await;

    let ended = ends_after_restart(&mut cluster, |work, address, port| genuine_agent(mesos, work, address, port)).await;
    let message = ended.iter().find(|status| status["task_id"]["value"] == "a").map(|status| &status["message"]);
    assert_eq!(message, Some(&json!("Command exited with status 3")));
    cluster.stop().await;
    println!("a pod goes on ... ok");
}

/// `mesos-default-executor` is no part of Mesos' library: `libexec` has it if somebody has compiled it. It is the executor
/// of a group as any other program would be, since an agent has its own program for executors of type DEFAULT.
pub async fn a_pod_of_the_genuine_executor_goes_on(mesos: &GenuineMesos) {
    let launcher = mesos.directory().join("libexec");
    let program = launcher.join("mesos-default-executor");
    if !program.exists() {
        let reason = "CPP_MESOS has no libexec/mesos-default-executor, which has to be compiled from Mesos' sources";
        testkit::skip::skipped("agent-server::genuine::default_executor", reason);
        return;
    }
    let mut cluster = Cluster::start_with(mesos, Kind::Command, our_agent).await;
    let offer = cluster.scheduler.offer().await;
    let task = |name: &str, command: &str| {
        let mut task = Scheduler::small_task(name, &offer);
        task["command"] = json!({ "value": command });
        task
    };
    let waits = "while [ ! -e end ]; do sleep 0.01; done";
    let mut a = task("a", &format!("touch is-a; {waits}; exit 3"));
    a["health_check"] = json!({
        "type": "COMMAND", "command": { "value": "test -e is-a" }, "delay_seconds": 0, "interval_seconds": 0.2,
    });
    let (b, c) = (task("b", waits), task("c", "true"));
    let amounts = [("cpus", 0.1), ("mem", 256.0), ("disk", 16.0)].map(|(name, value)| Scheduler::scalar(name, value));
    let executor = json!({
        "type": "CUSTOM", "executor_id": { "value": "pod" },
        "framework_id": { "value": cluster.scheduler.framework }, "resources": amounts,
        "command": {
            "shell": false, "value": program,
            "arguments": ["mesos-default-executor", format!("--launcher_dir={}", launcher.display())],
        },
    });
    let group = json!({ "executor": executor, "task_group": { "tasks": [a, b, c] } });
    cluster.scheduler.accept(&offer, json!([{ "type": "LAUNCH_GROUP", "launch_group": group }])).await;
    let states = [("a", "TASK_RUNNING"), ("b", "TASK_RUNNING"), ("c", "TASK_FINISHED")];
    let mut seen = until_states(&mut cluster, &states).await;
    while !seen.iter().any(|status| status["task_id"]["value"] == "a" && status["healthy"] == true) {
        seen.push(cluster.scheduler.acknowledged_status().await);
    }

    let ended = ends_after_restart(&mut cluster, our_agent).await;
    let failed = ended.iter().find(|status| status["state"] == "TASK_FAILED").expect("a failure");
    assert_eq!(failed["message"], "Command exited with status 3");
    cluster.stop().await;
    println!("a pod of the genuine executor goes on ... ok");
}

/// Restarts the agent, lets the task `a` end, and returns the updates until `b` has ended with it.
async fn ends_after_restart(
    cluster: &mut Cluster,
    start: impl FnOnce(&Path, SocketAddr, u16) -> Program,
) -> Vec<Value> {
    let before = cluster.agent_id().await.expect("an agent");
    cluster.agent.kill();
    cluster.agent = start(cluster.work.path(), cluster.address, cluster.port);
    let deadline = Instant::now() + TIMEOUT;
    while !is_registered(cluster, &before).await {
        assert!(Instant::now() < deadline, "the agent has not come back");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    std::fs::write(sandbox(cluster, "a").await.join("end"), "").expect("written");
    until_states(cluster, &[("a", "TASK_FAILED"), ("b", "TASK_KILLED")]).await
}

/// Returns the sandbox of a task.
async fn sandbox(cluster: &Cluster, name: &str) -> PathBuf {
    let marker = format!("is-{name}");
    let slaves = cluster.work.path().join("slaves");
    let found = until_async("the task has marked its sandbox", async || find_file(&slaves, &marker)).await;
    found.parent().expect("a sandbox").to_owned()
}

/// Receives statuses until each of these tasks has this state, and returns all of them.
async fn until_states(cluster: &mut Cluster, expect: &[(&str, &str)]) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    let has = |seen: &[Value], (name, state): &(&str, &str)| {
        seen.iter().any(|status| status["task_id"]["value"] == *name && status["state"] == *state)
    };
    while !expect.iter().all(|one| has(&seen, one)) {
        seen.push(cluster.scheduler.acknowledged_status().await);
    }
    seen
}

async fn is_registered(cluster: &Cluster, id: &str) -> bool {
    cluster.agent_id().await.as_deref() == Some(id)
}
