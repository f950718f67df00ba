//! The client against a server that plays a master by script.

#![allow(clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use client::{Address, Error, Files, MasterOperator, Scheduler};
use messages::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers each connection with the next script line and records the requests.
struct Peer {
    address: Address,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn peer(answers: Vec<Vec<u8>>) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("address").port());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&requests);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let request = read_request(&mut stream).await;
            recorded.lock().expect("lock").push(request);
            stream.write_all(&answer).await.expect("write");
        }
    });
    Peer { address, requests }
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.expect("read");
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text
            .lines()
            .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").and_then(|n| n.trim().parse().ok()))
            .unwrap_or(0usize);
        if bytes.len() >= head + 4 + length || n == 0 {
            return text;
        }
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

fn stream(events: &[v1::scheduler::Event]) -> Vec<u8> {
    let mut records = Vec::new();
    for event in events {
        wire::recordio::encode(&wire::encode(event), &mut records);
    }
    answer("200 OK", "Mesos-Stream-Id: s-1\r\nContent-Type: application/x-protobuf\r\n", &records)
}

fn subscribed() -> v1::scheduler::Event {
    v1::scheduler::Event {
        r#type: Some(v1::scheduler::event::Type::Subscribed.into()),
        subscribed: Some(Box::new(v1::scheduler::event::Subscribed {
            framework_id: v1::FrameworkId { value: "f-0".into() },
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn framework() -> v1::FrameworkInfo {
    v1::FrameworkInfo { user: "u".into(), name: "n".into(), ..Default::default() }
}

#[tokio::test]
async fn a_scheduler_subscribes_reads_events_and_calls_with_its_stream_id() {
    let heartbeat =
        v1::scheduler::Event { r#type: Some(v1::scheduler::event::Type::Heartbeat.into()), ..Default::default() };
    let peer = peer(vec![stream(&[subscribed(), heartbeat.clone()]), answer("202 Accepted", "", b"")]).await;
    let (scheduler, mut events) = Scheduler::subscribe(&peer.address, framework()).await.expect("subscribed");
    assert_eq!(scheduler.framework_id().value, "f-0");
    assert_eq!(events.next().await.expect("event"), Some(heartbeat));
    assert_eq!(events.next().await.expect("end"), None);

    scheduler.suppress().await.expect("accepted");
    let requests = peer.requests.lock().expect("lock");
    assert!(requests[1].contains("mesos-stream-id: s-1"), "{}", requests[1]);
}

#[tokio::test]
async fn an_error_event_is_a_refusal() {
    let refusal = v1::scheduler::Event {
        r#type: Some(v1::scheduler::event::Type::Error.into()),
        error: Some(v1::scheduler::event::Error { message: "Framework has been removed".into() }),
        ..Default::default()
    };
    let peer = peer(vec![stream(&[refusal])]).await;
    match Scheduler::subscribe(&peer.address, framework()).await {
        Err(Error::Refused(message)) => assert_eq!(message, "Framework has been removed"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn redirects_lead_to_the_leader_and_loops_end() {
    let leader = peer(vec![answer("200 OK", "", br#"{"data":"hello","offset":7}"#)]).await;
    let follower =
        peer(vec![answer("307 Temporary Redirect", &format!("Location: //{}/files/read\r\n", leader.address), b"")])
            .await;
    let chunk = Files::new(follower.address).read("/log", 7).await.expect("chunk");
    assert_eq!((chunk.offset, chunk.data.as_str()), (7, "hello"));
}

#[tokio::test]
async fn a_refused_call_says_status_and_reason() {
    let peer = peer(vec![answer("400 Bad Request", "", b"Expecting 'type' to be present")]).await;
    let error = MasterOperator::new(peer.address).get(v1::master::call::Type::GetHealth).await.expect_err("refused");
    assert!(error.to_string().ends_with("answered 400: Expecting 'type' to be present"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn nobody_listening_is_said_plainly() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("address").port());
    drop(listener);
    let error = client::get_json(&address, "/state").await.expect_err("no server");
    assert!(error.is_transient() && error.to_string().contains("is it running"), "{error}");
}
