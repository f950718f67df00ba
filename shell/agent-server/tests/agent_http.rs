//! The operator API of an agent over real sockets, compared with the answers of Mesos 1.11 to the same bytes.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use agent_server::{AgentOptions, start};
use edge::Running;
use model::Upid;
use resources::Resources;
use testkit::http::{call, get, post, request};

const HEALTH: &str = r#"{"type":"GET_HEALTH"}"#;

/// Starts an agent whose master does not exist.
fn agent(work: &std::path::Path) -> Running {
    let resources = Resources::parse("cpus:1;mem:64", "*").expect("resources");
    let pid: Upid = "slave(1)@127.0.0.1:0".parse().expect("a pid");
    let config = agent::Config::new(pid, "localhost", work, resources);
    start(AgentOptions::new(Ipv4Addr::LOCALHOST, 0, "127.0.0.1:1", config)).expect("the agent starts")
}

async fn check(at: SocketAddr, headers: &str, body: &str, status: u16, answer: &str) {
    let response = request(at, post("/api/v1", headers, body)).await;
    assert_eq!((response.status, response.text().as_str()), (status, answer), "{headers}{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_types_are_negotiated_in_order() {
    let work = tempfile::tempdir().expect("a directory");
    let agent = agent(work.path());
    let at = agent.address;
    let json = "Content-Type: application/json\r\n";
    let recordio = "Content-Type: application/recordio\r\n";
    let of_json = "Message-Content-Type: application/json\r\n";
    let healthy = r#"{"type":"GET_HEALTH","get_health":{"healthy":true}}"#;
    check(at, json, HEALTH, 200, healthy).await;
    check(at, "", HEALTH, 400, "Expecting 'Content-Type' to be present").await;
    let known = "application/json or application/x-protobuf";
    for (headers, status, answer) in [
        (
            "Content-Type: text/plain\r\n".to_owned(),
            415,
            format!("Expecting 'Content-Type' of {known} or application/recordio"),
        ),
        (recordio.to_owned(), 400, "Expecting 'Message-Content-Type' to be set for streaming requests".to_owned()),
        (
            format!("{recordio}Message-Content-Type: text/plain\r\n"),
            415,
            format!("Expecting 'Message-Content-Type' of {known}"),
        ),
        (
            format!("{json}{of_json}"),
            415,
            "Expecting 'Message-Content-Type' to be not set for non-streaming requests".to_owned(),
        ),
        (
            format!("{json}Accept: text/html\r\n"),
            406,
            format!("Expecting 'Accept' to allow {known} or application/recordio"),
        ),
        (
            format!("{json}Message-Accept: application/json\r\n"),
            406,
            "Expecting 'Message-Accept' to be not set for non-streaming responses".to_owned(),
        ),
        (
            format!("{json}Accept: application/recordio\r\nMessage-Accept: text/html\r\n"),
            406,
            format!("Expecting 'Message-Accept' to allow {known}"),
        ),
    ] {
        // The headers are checked before the body.
        check(at, &headers, "nonsense", status, &answer).await;
    }
    let streamed = format!("{recordio}{of_json}");
    let record = format!("{}\n{HEALTH}", HEALTH.len());
    let unsupported = "Streaming 'Content-Type' application/recordio is not supported for GET_HEALTH call";
    check(at, &streamed, &record, 415, unsupported).await;
    check(at, &streamed, "", 400, "Received EOF while reading request body").await;
    check(at, &streamed, &record[..record.len() - 1], 400, "Received EOF while reading request body").await;
    let accepted = format!("{json}Accept: application/recordio\r\n");
    check(at, &accepted, HEALTH, 406, "Streaming response is not supported for GET_HEALTH call").await;
    let attach = r#"{"type":"ATTACH_CONTAINER_INPUT","attach_container_input":{"type":"CONTAINER_ID","container_id":{"value":"x"}}}"#;
    let one_way = "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call";
    check(at, json, attach, 415, one_way).await;
    let record = format!("{}\n{attach}", attach.len());
    check(at, &streamed, &record, 404, "Container x cannot be found").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_for_unknown_containers_are_answered_404() {
    let work = tempfile::tempdir().expect("a directory");
    let agent = agent(work.path());
    let nested = r#"{"value":"b","parent":{"value":"a"}}"#;
    for (kind, id, status, answer) in [
        ("WAIT_CONTAINER", r#"{"value":"a"}"#, 404, "Container a cannot be found"),
        ("WAIT_NESTED_CONTAINER", nested, 404, "Container a.b cannot be found"),
        ("KILL_CONTAINER", nested, 404, "Container 'a.b' cannot be found (or is already killed)"),
        ("KILL_NESTED_CONTAINER", nested, 404, "Container 'a.b' cannot be found (or is already killed)"),
        ("REMOVE_CONTAINER", r#"{"value":"a"}"#, 404, "Container a cannot be found"),
        ("REMOVE_NESTED_CONTAINER", nested, 404, "Container a.b cannot be found"),
        ("ATTACH_CONTAINER_OUTPUT", r#"{"value":"a"}"#, 404, "Container a cannot be found"),
        ("LAUNCH_CONTAINER", nested, 400, "Root container a not found"),
        ("LAUNCH_CONTAINER", r#"{"value":"a"}"#, 400, "Shell specified but no command value provided"),
    ] {
        let body = format!(r#"{{"type":"{kind}","{}":{{"container_id":{id}}}}}"#, kind.to_lowercase());
        let response = call(agent.address, "/api/v1", &body).await;
        assert_eq!((response.status, response.text().as_str()), (status, answer), "{kind}");
    }
    assert_eq!(get(agent.address, "/api/v1").await.status, 405);
}
