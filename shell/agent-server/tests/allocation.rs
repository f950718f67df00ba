//! Allocation from end to end, with real tasks of a master and an agent over HTTP: partitions that lend and reclaim,
//! quota limits, the whitelist, oversubscription, and the reasons of `/explain` meanwhile.
//!
//! The test harness does not run this file, because the agent starts this program again as the executor.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use agent_server::start;
use edge::Running;
use master_server::MasterOptions;
use serde_json::{Value, json};
use support::{config, master_with, options};
use testkit::http::{Scheduler, call, get, request};
use testkit::wait::TIMEOUT;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("executor") {
        return executor::main();
    }
    support::block_on(async {
        a_partition_lends_and_reclaims_resources().await;
        a_limit_bounds_the_offers().await;
        the_whitelist_is_watched().await;
        idle_resources_are_offered_as_revocable_until_the_machine_is_overloaded().await;
    });
    ExitCode::SUCCESS
}

struct Cluster {
    master: Running,
    agent: Running,
    _work: tempfile::TempDir,
}

impl Cluster {
    /// Starts a master and one agent with four processors and 1024 MB.
    async fn start(change: impl FnOnce(&mut MasterOptions)) -> Self {
        Self::with(change, |_| {}).await
    }

    async fn with(change: impl FnOnce(&mut MasterOptions), change_agent: impl FnOnce(&mut agent::Config)) -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let master = master_with(change);
        let mut config = config(work.path(), "cpus:4;mem:1024");
        change_agent(&mut config);
        let agent = start(options("sharing", master.address, 0, config)).expect("the agent starts");
        let cluster = Cluster { master, agent, _work: work };
        cluster.until("/slaves", |slaves| slaves["slaves"][0]["active"] == true).await;
        cluster
    }

    /// Repeats a GET until the response is as wanted, and returns it.
    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = get(self.master.address, path).await.json();
            if wanted(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < TIMEOUT, "{path}: {answer}");
        }
    }

    async fn framework(&self, role: &str) -> Framework {
        self.framework_that_can(role, &[]).await
    }

    async fn framework_that_can(&self, role: &str, more: &[&str]) -> Framework {
        let capabilities = ["PARTITION_AWARE", "MULTI_ROLE"].iter().chain(more);
        let info = json!({
            "user": "root",
            "name": format!("of {role}"),
            "roles": [role],
            "capabilities": capabilities.map(|capability| json!({ "type": capability })).collect::<Vec<_>>(),
        });
        let scheduler = Scheduler::subscribe(self.master.address, &info.to_string()).await;
        Framework { scheduler, role: role.to_owned() }
    }

    async fn partition(&self, id: &str, terms: Value) {
        let body = terms.to_string();
        let head = format!("PUT /partitions/{id} HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = request(self.master.address, head + &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn quota(&self, role: &str, limits: Value) {
        let config = json!({ "role": role, "limits": limits });
        let update = json!({ "type": "UPDATE_QUOTA", "update_quota": { "quota_configs": [config] } });
        let answer = call(self.master.address, "/api/v1", &update.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Waits until `/explain` has this reason, and no other, for a framework.
    async fn explains(&self, framework: &Framework, code: &str) -> Value {
        let path = format!("/explain?framework={}", framework.scheduler.framework);
        let only = |answer: &Value| {
            let summary = answer["eligibilities"][0]["summary"].as_array().cloned().unwrap_or_default();
            summary.len() == 1 && summary[0]["code"] == code
        };
        let answer = self.until(&path, only).await;
        assert_eq!(answer["eligibilities"][0]["role"], framework.role.as_str());
        answer["eligibilities"][0]["details"][0]["reasons"][0].clone()
    }

    async fn stop(self) {
        self.agent.unregister();
        self.agent.wait().await;
    }
}

struct Framework {
    scheduler: Scheduler,
    role: String,
}

impl Framework {
    /// Returns the next event of a type. Heartbeats keep the stream alive, so the wait has a timeout of its own.
    async fn event(&mut self, kind: &str) -> Value {
        let event = tokio::time::timeout(TIMEOUT, self.scheduler.stream.event_of(kind)).await;
        event.unwrap_or_else(|_| panic!("{} never sees {kind}", self.role))
    }

    /// Expects the next offer to have exactly these resources.
    async fn is_offered(&mut self, cpus: f64, mem: f64) -> Value {
        let offers = self.event("OFFERS").await["offers"]["offers"].clone();
        let amount = |name: &str| {
            let resources = offers[0]["resources"].as_array().expect("resources");
            let of_name = resources.iter().filter(|resource| resource["name"] == name);
            of_name.filter_map(|resource| resource["scalar"]["value"].as_f64()).sum::<f64>()
        };
        assert_eq!((amount("cpus"), amount("mem")), (cpus, mem), "{offers}");
        assert_eq!(offers.as_array().map(Vec::len), Some(1), "{offers}");
        offers[0].clone()
    }

    /// Returns an offer of revocable processors that stays. An offer from the estimate of the first measurement is
    /// rescinded soon.
    async fn is_offered_revocable_processors(&mut self) -> Value {
        loop {
            let offer = self.event("OFFERS").await["offers"]["offers"][0].clone();
            let resources = offer["resources"].as_array().expect("resources");
            let is_revocable = |name: &str| resources.iter().any(|r| r["name"] == name && r["revocable"].is_object());
            if is_revocable("cpus") && is_revocable("mem") {
                return offer;
            }
        }
    }

    async fn accepts(&self, offer: &Value, tasks: Vec<Value>) {
        let operations = json!([{ "type": "LAUNCH", "launch": { "task_infos": tasks } }]);
        let accept =
            json!({ "offer_ids": [offer["id"]], "operations": operations, "filters": { "refuse_seconds": 3600 } });
        self.scheduler.accepted("ACCEPT", "accept", accept).await;
    }

    async fn declines(&self, offer: &Value, seconds: u32) {
        let decline = json!({ "offer_ids": [offer["id"]], "filters": { "refuse_seconds": seconds } });
        self.scheduler.accepted("DECLINE", "decline", decline).await;
    }

    fn sleeper(&self, id: &str, offer: &Value, cpus: f64, mem: f64) -> Value {
        let scalar = |name: &str, value: f64| json!({ "name": name, "type": "SCALAR", "scalar": { "value": value }, "allocation_info": { "role": self.role } });
        json!({
            "name": id,
            "task_id": { "value": id },
            "agent_id": offer["agent_id"],
            "resources": [scalar("cpus", cpus), scalar("mem", mem)],
            "command": { "shell": false, "value": "/bin/sleep", "arguments": ["sleep", "1000"] },
        })
    }

    /// Returns the status with which a task reaches a state, and acknowledges it and those before.
    async fn sees(&mut self, task: &str, state: &str) -> Value {
        loop {
            let status = self.event("UPDATE").await["update"]["status"].clone();
            self.scheduler.acknowledge(&status).await;
            if status["task_id"]["value"] == task && status["state"] == state {
                return status;
            }
            let early = ["TASK_STARTING", "TASK_RUNNING"].iter().any(|early| status["state"] == *early);
            assert!(early, "{status}");
        }
    }
}

async fn a_partition_lends_and_reclaims_resources() {
    let cluster = Cluster::start(|_| {}).await;
    let night = json!({ "role": "night", "resources": { "cpus": { "max": 4 } }, "preemptible": true });
    let day = json!({ "role": "day", "resources": { "cpus": { "min": 3 }, "mem": { "min": 512 } }, "priority": 1 });
    cluster.partition("night", night).await;
    cluster.partition("day", day).await;

    // The partition `day` has no framework, so `night` borrows everything.
    let mut night = cluster.framework("night").await;
    let offer = night.is_offered(4.0, 1024.0).await;
    let tasks = vec![night.sleeper("small", &offer, 1.0, 128.0), night.sleeper("large", &offer, 2.5, 512.0)];
    night.accepts(&offer, tasks).await;
    night.sees("large", "TASK_RUNNING").await;
    cluster.explains(&night, "REFUSED").await;
    let shown = get(cluster.master.address, "/partitions/night").await.json();
    assert_eq!(shown["borrowed"]["cpus"], 3.5, "{shown}");

    // `day` wants its minimum: it first gets free resources, then those that it lent. The smallest sufficient task is
    // killed.
    let mut day = cluster.framework("day").await;
    let rest = day.is_offered(0.5, 384.0).await;
    let ended = night.sees("large", "TASK_GONE").await;
    assert_eq!(ended["reason"], "REASON_CONTAINER_PREEMPTED", "{ended}");
    assert_eq!(ended["source"], "SOURCE_MASTER");
    let message = ended["message"].as_str().expect("a message");
    assert!(message.contains("'day'") && message.contains("'night'"), "{message}");
    let back = day.is_offered(2.5, 512.0).await;

    // The resources that `day` declines still belong to its minimum.
    day.declines(&rest, 3600).await;
    day.declines(&back, 3600).await;
    let all = day.is_offered(3.0, 896.0).await;
    day.declines(&all, 3600).await;
    let mut other = cluster.framework("other").await;
    other.is_offered(0.0, 384.0).await;
    let reason = cluster.explains(&other, "KEPT_FOR_GUARANTEES").await;
    assert!(reason["text"].as_str().is_some_and(|text| text.contains("day")), "{reason}");

    // `day` does not need its minimum any more. `night` has a smaller dominant share than the other framework.
    day.scheduler.accepted("SUPPRESS", "suppress", json!({})).await;
    night.is_offered(3.0, 512.0).await;
    let metrics = get(cluster.master.address, "/metrics/snapshot").await.json();
    assert_eq!(metrics["master/partition_preemptions"], 1.0);
    cluster.stop().await;
}

async fn a_limit_bounds_the_offers() {
    let cluster = Cluster::start(|_| {}).await;
    cluster.quota("dev", json!({ "cpus": { "value": 1 }, "mem": { "value": 256 } })).await;
    let mut dev = cluster.framework("dev").await;
    let offer = dev.is_offered(1.0, 256.0).await;
    dev.accepts(&offer, vec![dev.sleeper("t", &offer, 0.5, 128.0)]).await;
    dev.sees("t", "TASK_RUNNING").await;
    // The resources that the launch left were declined with it; no more had been offered.
    cluster.explains(&dev, "QUOTA_LIMIT").await;
    dev.scheduler.accepted("REVIVE", "revive", json!({})).await;
    dev.is_offered(0.5, 128.0).await;
    let reason = cluster.explains(&dev, "QUOTA_LIMIT").await;
    assert!(reason["text"].as_str().is_some_and(|text| text.contains("dev")), "{reason}");

    cluster.quota("dev", json!({ "cpus": { "value": 3 }, "mem": { "value": 256 } })).await;
    dev.is_offered(2.0, 0.0).await;
    cluster.quota("dev", json!({})).await;
    dev.is_offered(1.0, 768.0).await;
    let roles = get(cluster.master.address, "/roles").await.json();
    assert_eq!(roles["roles"][0]["quota"]["consumed"]["cpus"], 0.5, "{roles}");
    cluster.stop().await;
}

async fn the_whitelist_is_watched() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("whitelist");
    std::fs::write(&file, "elsewhere\n").expect("written");
    let cluster = Cluster::start(|options| options.whitelist = Some(file.clone())).await;
    let mut framework = cluster.framework("dev").await;
    cluster.explains(&framework, "NOT_WHITELISTED").await;
    std::fs::write(&file, "elsewhere\nlocalhost\n").expect("written");
    framework.is_offered(4.0, 1024.0).await;
    cluster.stop().await;
}

/// The limit is a load that a machine exceeds as soon as one task is always busy.
async fn idle_resources_are_offered_as_revocable_until_the_machine_is_overloaded() {
    let cluster = Cluster::with(
        |_| {},
        |agent| {
            agent.estimator = agent::ResourceEstimator::Load { margin: 0.1 };
            agent.oversubscribed_resources_interval = Duration::from_secs(1);
            agent.qos = agent::QosController { load_5min: Some(0.0), ..agent::QosController::default() };
            // The interval leaves time for a launch.
            agent.qos_correction_interval_min = Duration::from_secs(5);
        },
    )
    .await;
    let mut owner = cluster.framework("dev").await;
    let offer = owner.is_offered(4.0, 1024.0).await;
    owner.accepts(&offer, vec![owner.sleeper("idle", &offer, 4.0, 1024.0)]).await;
    owner.sees("idle", "TASK_RUNNING").await;

    // Only frameworks that accept revocable resources are offered them.
    let mut spot = cluster.framework_that_can("spot", &["REVOCABLE_RESOURCES"]).await;
    let offer = spot.is_offered_revocable_processors().await;
    spot.declines(&offer, 0).await;
    let plain = cluster.framework("plain").await;
    cluster.explains(&plain, "FRAMEWORK_LACKS_CAPABILITY").await;
    let offer = spot.is_offered_revocable_processors().await;
    let mut busy = spot.sleeper("busy", &offer, 1.0, 32.0);
    for resource in busy["resources"].as_array_mut().expect("resources") {
        resource["revocable"] = json!({});
    }
    busy["command"] = json!({ "value": "while :; do :; done" });
    spot.accepts(&offer, vec![busy]).await;
    let ended = spot.sees("busy", "TASK_GONE").await;
    assert_eq!(ended["reason"], "REASON_CONTAINER_PREEMPTED", "{ended}");
    assert_eq!(ended["source"], "SOURCE_AGENT", "{ended}");

    let state = get(cluster.master.address, "/tasks").await.json();
    let tasks = state["tasks"].as_array().expect("tasks").iter();
    let idle: Vec<_> = tasks.filter(|task| task["id"] == "idle").map(|task| &task["state"]).collect();
    assert_eq!(idle, ["TASK_RUNNING"], "what was allocated for good stays");
    let metrics = get(cluster.agent.address, "/metrics/snapshot").await.json();
    assert_eq!(metrics["slave/executors_preempted"], 1.0);
    cluster.stop().await;
}
