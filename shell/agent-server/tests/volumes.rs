//! Persistent volumes in real containers: one task writes, another reads, and only DESTROY deletes.
//!
//! The test harness does not run this file, because the agent starts this program again as the executor.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent_server::{AgentOptions, start};
use edge::Running;
use messages::v1::agent_info::capability::Type as Capability;
use serde_json::{Value, json};
use support::{config, master};
use testkit::http::Scheduler;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("executor") {
        return executor::main();
    }
    support::block_on(async {
        volumes_outlive_their_tasks(&LINKS).await;
        a_volume_is_mounted_as_requested_or_its_task_is_refused(&LINKS, &["data/db"], &["/tmp", "", "."]).await;
        volumes_outlive_their_tasks(&Case { old: true, ..LINKS }).await;
        if rustix::process::geteuid().is_root() {
            volumes_outlive_their_tasks(&MOUNTS).await;
            let refused = ["/no/such/directory", "", "."];
            a_volume_is_mounted_as_requested_or_its_task_is_refused(&MOUNTS, &["data/db", "/mnt"], &refused).await;
        } else {
            testkit::skip::skipped("volumes::volumes_with_mounts", "they need root");
        }
    });
    ExitCode::SUCCESS
}

struct Case {
    isolation: &'static str,
    /// The output of a task that writes to a read-only volume.
    writing: &'static str,
    /// Whether the agent behaves as one before 1.5, which does not know operations: the master sends it its total
    /// resources.
    old: bool,
}

/// Volumes are links in the sandbox. A link cannot be read-only.
const LINKS: Case = Case { isolation: "posix/cpu", writing: "written", old: false };
const MOUNTS: Case = Case { isolation: "filesystem/linux", writing: "refused", old: false };

struct Cluster {
    /// Runs as long as this.
    _master: Running,
    agent: Running,
    scheduler: Scheduler,
    work: tempfile::TempDir,
    offer: Value,
}

async fn volumes_outlive_their_tasks(case: &Case) {
    let mut cluster = Cluster::start(case).await;
    let directory = cluster.work.path().join("volumes/roles/dev/v");

    let reserve = json!({ "type": "RESERVE", "reserve": { "resources": [disk(json!({}))] } });
    let create = json!({ "type": "CREATE", "create": { "volumes": [volume("RW")] } });
    cluster.accept(vec![reserve, create, launch("writer", "echo kept > data/file", "RW", &cluster.offer)]).await;
    cluster.finishes("writer").await;
    assert_eq!(std::fs::read_to_string(directory.join("file")).expect("the volume"), "kept\n");

    cluster.next_offer().await;
    let command = "cat data/file; (echo x > data/other) 2>/dev/null && echo written || echo refused";
    cluster.accept(vec![launch("reader", command, "RO", &cluster.offer)]).await;
    cluster.finishes("reader").await;
    let output = std::fs::read_to_string(cluster.sandbox("reader").join("stdout")).expect("its output");
    assert!(output.ends_with(&format!("kept\n{}\n", case.writing)), "{output}");

    cluster.next_offer().await;
    let mut destroy = json!({ "type": "DESTROY", "destroy": { "volumes": [volume("RW")] } });
    if case.old {
        // No status reports it; a later task shows it.
        let mut after = launch("after", "true", "RW", &cluster.offer);
        after["launch"]["task_infos"][0]["resources"].as_array_mut().expect("resources").pop();
        cluster.accept(vec![destroy, after]).await;
        cluster.finishes("after").await;
    } else {
        destroy["id"] = json!({ "value": "gone" });
        cluster.accept(vec![destroy]).await;
        let status = cluster.scheduler.stream.event_of("UPDATE_OPERATION_STATUS").await;
        let status = &status["update_operation_status"]["status"];
        assert_eq!(status["operation_id"]["value"], "gone");
        assert_eq!(status["state"], "OPERATION_FINISHED");
    }
    assert!(!directory.exists() && directory.parent().expect("of its role").exists());
    cluster.stop().await;
}

/// The tasks of this framework run as root, which may mount a volume over a directory of the host.
async fn a_volume_is_mounted_as_requested_or_its_task_is_refused(case: &Case, given: &[&str], refused: &[&str]) {
    for path in given.iter().chain(refused) {
        let mut cluster = Cluster::start(case).await;
        let file = cluster.work.path().join("volumes/roles/dev/v/file");
        let mut shown = volume("RW");
        shown["disk"]["volume"]["container_path"] = json!(path);
        let reserve = json!({ "type": "RESERVE", "reserve": { "resources": [disk(json!({}))] } });
        let create = json!({ "type": "CREATE", "create": { "volumes": [shown] } });
        let mut task = launch("t", &format!("echo kept > {path}/file"), "RW", &cluster.offer);
        task["launch"]["task_infos"][0]["resources"][2] = shown.clone();
        cluster.accept(vec![reserve, create, task]).await;
        if given.contains(path) {
            cluster.finishes("t").await;
            assert_eq!(std::fs::read_to_string(file).expect("the volume"), "kept\n", "{path}");
        } else {
            let end = cluster.end().await;
            assert!(end["message"].as_str().unwrap_or_default().contains("container_path"), "{end}");
        }
        cluster.stop().await;
    }
}

impl Cluster {
    async fn start(case: &Case) -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let master = master();
        let agent = start(options(&master, work.path(), case)).expect("the agent starts");
        let user = r#"{"user":"root","name":"n","roles":["dev"],"capabilities":[
            {"type":"PARTITION_AWARE"},{"type":"MULTI_ROLE"},{"type":"RESERVATION_REFINEMENT"}]}"#;
        let scheduler = Scheduler::subscribe(master.address, user).await;
        let mut cluster = Cluster { _master: master, agent, scheduler, work, offer: Value::Null };
        cluster.next_offer().await;
        cluster
    }

    async fn next_offer(&mut self) {
        self.offer = self.scheduler.offer().await;
    }

    async fn accept(&self, operations: Vec<Value>) {
        let filters = json!({ "refuse_seconds": 0 });
        let accept = json!({ "offer_ids": [self.offer["id"]], "operations": operations, "filters": filters });
        self.scheduler.accepted("ACCEPT", "accept", accept).await;
    }

    async fn finishes(&mut self, task: &str) {
        let end = self.end().await;
        assert_eq!((&end["state"], &end["task_id"]["value"]), (&json!("TASK_FINISHED"), &json!(task)), "{end}");
    }

    /// Waits for the terminal status. Offers made meanwhile are declined, so that the next one has all resources.
    async fn end(&mut self) -> Value {
        loop {
            let event = self.scheduler.stream.event().await.expect("an event");
            for offer in event["offers"]["offers"].as_array().into_iter().flatten() {
                let decline = json!({ "offer_ids": [offer["id"]], "filters": { "refuse_seconds": 0 } });
                self.scheduler.accepted("DECLINE", "decline", decline).await;
            }
            let status = &event["update"]["status"];
            if !status["uuid"].is_string() {
                continue;
            }
            self.scheduler.acknowledge(status).await;
            match status["state"].as_str() {
                Some("TASK_STARTING" | "TASK_RUNNING") => {}
                _ => return status.clone(),
            }
        }
    }

    fn sandbox(&self, task: &str) -> PathBuf {
        let agent = self.offer["agent_id"]["value"].as_str().expect("an id");
        let path = format!("slaves/{agent}/frameworks/{}/executors/{task}/runs/latest", self.scheduler.framework);
        self.work.path().join(path)
    }

    async fn stop(self) {
        self.agent.unregister();
        self.agent.wait().await;
        drop(self.work);
    }
}

fn disk(info: Value) -> Value {
    let mut disk = scalar("disk", 64.0);
    disk["reservations"] = json!([{ "type": "DYNAMIC", "role": "dev" }]);
    if info.as_object().is_some_and(|info| !info.is_empty()) {
        disk["disk"] = info;
    }
    disk
}

fn volume(mode: &str) -> Value {
    disk(json!({ "persistence": { "id": "v" }, "volume": { "container_path": "data", "mode": mode } }))
}

fn scalar(name: &str, value: f64) -> Value {
    json!({ "name": name, "type": "SCALAR", "scalar": { "value": value }, "allocation_info": { "role": "dev" } })
}

fn launch(id: &str, command: &str, mode: &str, offer: &Value) -> Value {
    let task = json!({
        "name": id,
        "task_id": { "value": id },
        "agent_id": offer["agent_id"],
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0), volume(mode)],
        "command": { "value": command },
    });
    json!({ "type": "LAUNCH", "launch": { "task_infos": [task] } })
}

/// The capabilities of an agent that applies operations itself.
const OPERATIONS: [Capability; 3] =
    [Capability::ResourceProvider, Capability::AgentOperationFeedback, Capability::ResizeVolume];

fn options(master: &Running, work: &Path, case: &Case) -> AgentOptions {
    let mut config = config(work, "cpus:2;mem:512;disk:1000");
    if case.old {
        config.capabilities.retain(|capability| !OPERATIONS.contains(capability));
    }
    let mut options = support::options("volumes", master.address, 0, config);
    options.containerizer.isolation = vec![case.isolation.to_owned()];
    options
}
