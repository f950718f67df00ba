//! Failures as reported to the outside of a real master: `GET /failures`, its stream, a webhook, a command.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;

use master_server::{RegistryBackend, SinkOptions};
use ring::hmac;
use serde_json::Value;
use support::master_with;
use testkit::http::{Client, Scheduler, get};
use testkit::wait::TIMEOUT;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const FRAMEWORK: &str =
    r#"{"user":"u","name":"n","roles":["r"],"failover_timeout":1000,"capabilities":[{"type":"MULTI_ROLE"}]}"#;

/// Waits for one POST, answers it, and returns its head in lower case and its body.
async fn post_to(receiver: &TcpListener, status: &str) -> (String, Vec<u8>) {
    let accepted = tokio::time::timeout(TIMEOUT, receiver.accept()).await.expect("a POST in time");
    let (socket, _) = accepted.expect("a connection");
    let mut client = Client::of(socket);
    let head = client.until(b"\r\n\r\n").await.expect("a head");
    let head = String::from_utf8(head).expect("text").to_lowercase();
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).expect("a length");
    let body = client.exactly(length).await;
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.socket.write_all(answer.as_bytes()).await.expect("an answer");
    (head, body)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn check(body: &[u8], update: &str, framework: &str) {
    let notice: Value = serde_json::from_slice(body).expect("JSON");
    let failure = &notice["failure"];
    assert_eq!((&notice["event"], &failure["type"]), (&update.into(), &"framework_disconnected".into()), "{notice}");
    assert_eq!(failure["object"]["id"], framework);
    assert_eq!(failure["recovered_at"].is_null(), update == "detected", "{notice}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_gets_signed_notifications_until_it_accepts() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook?x=1", receiver.local_addr().expect("an address"));
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "s3cret\n").expect("written");
    let sinks =
        format!(r#"[{{"type":"webhook","url":"{url}","severity":"info","secret_file":"{}"}}]"#, secret.display());
    let master = master_with(|options| options.failure_sinks = SinkOptions::parse(&sinks).expect("sinks"));

    let scheduler = Scheduler::subscribe(master.address, FRAMEWORK).await;
    let framework = scheduler.framework.clone();
    drop(scheduler);
    let (first, body) = post_to(&receiver, "503 Service Unavailable").await;
    check(&body, "detected", &framework);
    let (again, repeated) = post_to(&receiver, "204 No Content").await;
    assert_eq!((header(&first, "x-tepui-delivery"), &body), (header(&again, "x-tepui-delivery"), &repeated));
    assert!(first.starts_with("post /hook?x=1 http/1.1") && header(&first, "content-type") == Some("application/json"));

    let signature = header(&again, "x-tepui-signature-256").and_then(|value| value.strip_prefix("sha256="));
    let signature = signature.expect("a signature");
    let bytes: Vec<u8> = (0..signature.len() / 2)
        .map(|at| u8::from_str_radix(&signature[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
    hmac::verify(&key, &repeated, &bytes).expect("the signature of this body with this secret");

    let _scheduler = Scheduler::resubscribe(master.address, &framework, FRAMEWORK).await;
    let (_, body) = post_to(&receiver, "200 OK").await;
    check(&body, "recovered", &framework);
}

/// Waits until the registry has grown: incidents are written within about a second.
async fn larger(address: SocketAddr, than: f64) {
    let begun = std::time::Instant::now();
    while registry_size(address).await <= than {
        assert!(begun.elapsed() < TIMEOUT, "nothing is written");
    }
}

async fn registry_size(address: SocketAddr) -> f64 {
    let metrics = get(address, "/metrics/snapshot").await.json();
    metrics["registrar/registry_size_bytes"].as_f64().expect("a size")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_recovers_the_failures_of_its_predecessor() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = || {
        master_with(|options| {
            options.work_dir = Some(directory.path().to_owned());
            options.registry = RegistryBackend::Embedded;
        })
    };
    let master = start();
    let before = registry_size(master.address).await;
    drop(Scheduler::subscribe(master.address, FRAMEWORK).await);
    larger(master.address, before).await;
    let incident = get(master.address, "/failures").await.json()["failures"][0].clone();
    assert!(incident["recovered_at"].is_null(), "{incident}");
    master.shutdown().await;

    let next = start();
    let history = get(next.address, "/failures").await.json();
    let inherited = &history["failures"][0];
    assert_eq!(
        (&inherited["id"], &inherited["type"], &inherited["detected_at"]),
        (&incident["id"], &incident["type"], &incident["detected_at"]),
        "{history}"
    );
    // No earlier observer of this framework is left, so the incident comes from the registry.
    assert!(inherited["recovered_at"].is_number(), "{history}");
    next.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exec_sink_gets_the_failure() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("a fifo");
    let sinks = format!(r#"[{{"type":"exec","command":["/usr/bin/tee","{}"],"severity":"info"}}]"#, fifo.display());
    let master = master_with(|options| options.failure_sinks = SinkOptions::parse(&sinks).expect("sinks"));
    let scheduler = Scheduler::subscribe(master.address, FRAMEWORK).await;
    let framework = scheduler.framework.clone();
    let incident = tokio::task::spawn_blocking(move || std::fs::read(fifo));
    drop(scheduler);
    let incident = tokio::time::timeout(TIMEOUT, incident).await.expect("in time").expect("read").expect("content");
    check(&incident, "detected", &framework);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_listed_filtered_and_followed() {
    let master = master_with(|_| {});
    let at = master.address;
    assert_eq!(get(at, "/failures").await.json(), serde_json::json!({"failures": []}));
    let wrong = get(at, "/master/failures?severity=bad").await;
    assert_eq!(
        (wrong.status, wrong.text()),
        (400, "invalid 'severity': 'bad' is none of info, warning, critical".into())
    );

    let mut follower = Client::connect(at).await;
    follower.send("GET /failures?follow HTTP/1.1\r\n\r\n").await;
    let head = follower.head().await.expect("a head");
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/x-ndjson")));
    let scheduler = Scheduler::subscribe(at, FRAMEWORK).await;
    let framework = scheduler.framework.clone();
    drop(scheduler);
    let line = loop {
        let chunk = follower.chunk().await.expect("a line");
        if chunk.len() > 1 {
            break chunk;
        }
    };
    check(&line, "detected", &framework);

    for (query, count) in
        [("", 1), ("?open", 1), ("?severity=warning", 0), ("?type=agent_suspicious", 0), ("?limit=0", 0)]
    {
        let listed = get(at, &format!("/failures{query}")).await.json();
        assert_eq!(listed["failures"].as_array().map(Vec::len), Some(count), "{query}");
    }
    let about = get(at, &format!("/failures?object={framework}")).await.json();
    assert_eq!(about["failures"][0]["severity"], "info");
    let metrics = get(at, "/metrics/snapshot").await.json();
    assert_eq!((&metrics["master/failures/detected"], &metrics["master/failures/open"]), (&1.0.into(), &1.0.into()));
}
