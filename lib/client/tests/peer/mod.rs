//! A server that acts as a master or an agent by a script.
#![allow(dead_code, reason = "each test needs a part of it")]

use std::sync::{Arc, Mutex};

use client::Address;
use messages::schema::HasDescriptor;
use messages::v1;
use messages::v1::scheduler::{Call, Event, event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A server that serves one connection after the other, with one response for each request.
pub struct Peer {
    pub address: Address,
    requests: Arc<Mutex<Vec<Request>>>,
    served: watch::Receiver<usize>,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub connection: usize,
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn call(&self) -> Call {
        wire::decode(&self.body, &wire::Limits::default()).expect("a scheduler's call")
    }

    pub fn scheduler_call(&self) -> v1::scheduler::call::Type {
        self.call().r#type()
    }

    pub fn agent_call(&self) -> v1::agent::Call {
        wire::decode(&self.body, &wire::Limits::default()).expect("an agent's call")
    }
}

impl Peer {
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("lock").clone()
    }

    /// Waits until the connection of this number is closed.
    pub async fn closed(&self, connection: usize) {
        let mut served = self.served.clone();
        served.wait_for(|served| *served > connection).await.expect("the peer lives");
    }
}

pub async fn peer(script: Vec<Vec<Vec<u8>>>) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("address").port());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&requests);
    let (progress, served) = watch::channel(0);
    tokio::spawn(async move {
        for (connection, answers) in script.into_iter().enumerate() {
            let (mut stream, _) = listener.accept().await.expect("accept");
            for answer in answers {
                let (head, body) = read_request(&mut stream).await;
                recorded.lock().expect("lock").push(Request { connection, head, body });
                stream.write_all(&answer).await.expect("write");
            }
            drop(stream);
            progress.send_replace(connection + 1);
        }
        // Later connections are refused.
        drop(listener);
        progress.closed().await;
    });
    Peer { address, requests, served }
}

async fn read_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    const END: &[u8] = b"\r\n\r\n";
    let mut bytes = Vec::new();
    loop {
        let n = stream.read_buf(&mut bytes).await.expect("read");
        let Some(head) = bytes.windows(END.len()).position(|window| window == END) else {
            assert!(n > 0, "the client hung up");
            continue;
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let body = head + END.len();
        if bytes.len() >= body + length.unwrap_or(0usize) {
            return (text, bytes[body..].to_vec());
        }
    }
}

pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

pub fn accepted() -> Vec<u8> {
    answer("202 Accepted", "", b"")
}

pub fn protobuf<M: HasDescriptor>(message: &M) -> Vec<u8> {
    answer("200 OK", "Content-Type: application/x-protobuf\r\n", &wire::encode(message))
}

/// Returns a stream that ends after these events.
pub fn stream(events: &[Event]) -> Vec<u8> {
    answer("200 OK", STREAM_HEADERS, &records(events))
}

/// Returns a stream that stays open and silent after these events.
pub fn open_stream(events: &[Event]) -> Vec<u8> {
    let records = records(events);
    let out = format!("HTTP/1.1 200 OK\r\n{STREAM_HEADERS}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", records.len());
    let mut out = out.into_bytes();
    out.extend_from_slice(&records);
    out.extend_from_slice(b"\r\n");
    out
}

const STREAM_HEADERS: &str = "Mesos-Stream-Id: s-1\r\nContent-Type: application/x-protobuf\r\n";

fn records(events: &[Event]) -> Vec<u8> {
    let mut records = Vec::new();
    for event in events {
        wire::recordio::encode(&wire::encode(event), &mut records);
    }
    records
}

pub fn event(kind: event::Type) -> Event {
    Event { r#type: Some(kind.into()), ..Default::default() }
}

pub fn subscribed() -> Event {
    subscribed_with_heartbeats(15.0)
}

pub fn subscribed_with_heartbeats(seconds: f64) -> Event {
    Event {
        subscribed: Some(Box::new(event::Subscribed {
            framework_id: v1::FrameworkId { value: "f-0".into() },
            heartbeat_interval_seconds: Some(seconds),
            ..Default::default()
        })),
        ..event(event::Type::Subscribed)
    }
}

pub fn refusal(message: &str) -> Event {
    Event { error: Some(event::Error { message: message.into() }), ..event(event::Type::Error) }
}

pub fn framework() -> v1::FrameworkInfo {
    v1::FrameworkInfo { user: "u".into(), name: "n".into(), ..Default::default() }
}
