//! A master and an agent over real sockets.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::net::Ipv4Addr;

use agent_server::{AgentOptions, start};
use support::master;
use testkit::http::{Client, JSON, Scheduler, call, get, post};

fn agent(master: &edge::Running, work: &std::path::Path) -> edge::Running {
    let config = support::config(work, "cpus:4;mem:1024;ports:[31000-31009]");
    start(AgentOptions::new(Ipv4Addr::LOCALHOST, 0, master.address.to_string(), config)).expect("the agent starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_registers_is_offered_and_unregisters() {
    let work = tempfile::tempdir().expect("a directory");
    let master = master();
    let mut operator = Client::connect(master.address).await;
    operator.send(post("/api/v1", JSON, r#"{"type":"SUBSCRIBE"}"#)).await;
    operator.head().await.expect("a head");
    operator.event_of("SUBSCRIBED").await;

    let agent = agent(&master, work.path());
    let added = operator.event_of("AGENT_ADDED").await;
    let id = added["agent_added"]["agent"]["agent_info"]["id"]["value"].as_str().expect("an id").to_owned();
    assert!(id.ends_with("-S0"), "{id}");

    let mut scheduler = Scheduler::subscribe(master.address, r#"{"user":"u","name":"n"}"#).await;
    let offers = scheduler.stream.event_of("OFFERS").await;
    assert_eq!(offers["offers"]["offers"][0]["agent_id"]["value"], id.as_str());

    let metrics = get(master.address, "/metrics/snapshot").await.json();
    for name in ["allocation_run_ms", "allocation_run_latency_ms"] {
        assert!(metrics[format!("allocator/mesos/{name}")].is_number(), "{name}: {metrics}");
    }

    let slaves = get(master.address, "/slaves").await.json();
    assert_eq!(slaves["slaves"][0]["pid"], format!("slave(1)@{}", agent.address));
    let state = get(agent.address, "/state").await.json();
    assert_eq!(state["id"], id.as_str());
    assert_eq!(get(agent.address, "/slave(1)/state").await.json()["id"], id.as_str());
    assert_eq!(get(agent.address, "/containers").await.text(), "[]");
    let health = call(agent.address, "/slave(1)/api/v1", r#"{"type":"GET_HEALTH"}"#).await;
    assert_eq!(health.text(), r#"{"type":"GET_HEALTH","get_health":{"healthy":true}}"#);

    agent.unregister();
    let ended = agent.wait().await;
    assert!(ended.reason.is_some());
    let removed = operator.event_of("AGENT_REMOVED").await;
    assert_eq!(removed["agent_removed"]["agent_id"]["value"], id.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executors_are_checked_in_order() {
    let work = tempfile::tempdir().expect("a directory");
    let master = master();
    let agent = agent(&master, work.path());
    let at = agent.address;
    let send = async |body: &str| {
        let response = call(at, "/api/v1/executor", body).await;
        (response.status, response.text())
    };
    let ids = r#""framework_id":{"value":"f"},"executor_id":{"value":"e"}"#;
    assert_eq!(get(at, "/api/v1/executor").await.status, 405);
    let (status, text) = send(&format!("{{{ids}}}")).await;
    assert_eq!((status, text.as_str()), (400, "Failed to validate Executor::Call: Expecting 'type' to be present"));
    let (status, text) = send(&format!(r#"{{"type":"HEARTBEAT",{ids}}}"#)).await;
    assert_eq!((status, text.as_str()), (202, ""));
    let (status, text) = send(&format!(r#"{{"type":"SUBSCRIBE",{ids},"subscribe":{{}}}}"#)).await;
    assert_eq!((status, text.as_str()), (400, "Framework cannot be found"));
    let (status, text) = send(&format!(r#"{{"type":"MESSAGE",{ids},"message":{{"data":""}}}}"#)).await;
    assert_eq!((status, text.as_str()), (400, "Framework cannot be found"));
}
