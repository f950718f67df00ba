//! A pod under Tepui's default executor at an agent of Mesos, which is restarted while the pod runs.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};
use testkit::http::Scheduler;
use testkit::process::GenuineMesos;
use testkit::scratch::find_file;
use testkit::wait::{TIMEOUT, until_async};

use super::{Cluster, Kind, genuine_agent};

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

    let before = cluster.agent_id().await.expect("an agent");
    cluster.agent.kill();
    cluster.agent = genuine_agent(mesos, cluster.work.path(), cluster.address, cluster.port);
    let deadline = Instant::now() + TIMEOUT;
    while !is_registered(&cluster, &before).await {
        assert!(Instant::now() < deadline, "the agent has not come back");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    std::fs::write(sandbox(&cluster, "a").await.join("end"), "").expect("written");
    let ended = until_states(&mut cluster, &[("a", "TASK_FAILED"), ("b", "TASK_KILLED")]).await;
    let message = ended.iter().find(|status| status["task_id"]["value"] == "a").map(|status| &status["message"]);
    assert_eq!(message, Some(&json!("Command exited with status 3")));
    cluster.stop().await;
    println!("a pod goes on ... ok");
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
