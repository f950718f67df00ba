//! libprocess messages over real sockets: receipts, order, framing, links.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::Write as _;
use std::net::SocketAddr;

use edge::libprocess::message::SenderCheck;
use messages::{internal, v1};
use prost::Message as _;
use support::{master, master_with};
use testkit::http::{Client, Scheduler, get, request};
use testkit::wait::TIMEOUT;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use wire::libprocess::{EnvelopeLimits, Received, RequestDecoder};

const FROM: &str = "Libprocess-From: someone@127.0.0.1:9\r\n";

fn message(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\n{FROM}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_are_ordered_and_depend_on_the_process() {
    let master = master();
    let mut client = Client::connect(master.address).await;
    let batch = [
        message("/master/mesos.internal.PingSlaveMessage"),
        message("/nobody/x"),
        message("/ma%73ter/no.such.Message"),
        message("/slave-observer%281%29/mesos.internal.PongSlaveMessage"),
        message("/files/x"),
        message("/master"),
        message("/"),
        "GET /health HTTP/1.1\r\n\r\n".to_owned(),
        message("/master/mesos.internal.PingSlaveMessage"),
        message("/nobody/x"),
    ];
    client.send(batch.concat()).await;
    for expected in [202, 404, 202, 202, 202, 202, 404, 200, 202, 404] {
        let response = client.response().await.expect("a response");
        assert_eq!(response.status, expected, "{response:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_body_is_dropped_and_answered_202() {
    let master = master();
    let mut client = Client::connect(master.address).await;
    for framing in
        ["Content-Length: 3\r\n\r\n\u{1}\u{1}\u{1}", "Transfer-Encoding: chunked\r\n\r\n3\r\nzzz\r\n0\r\n\r\n"]
    {
        client.send(format!("POST /master/mesos.internal.RegisterSlaveMessage HTTP/1.1\r\n{FROM}{framing}")).await;
        assert_eq!(client.response().await.expect("a response").status, 202);
    }
    let metrics = get(master.address, "/metrics/snapshot").await.json();
    assert_eq!(metrics["master/dropped_messages"], 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_requests_end_the_connection() {
    let master = master();
    for junk in
        ["hello\r\n\r\n", "POST master/x HTTP/1.1\r\nLibprocess-From: a@127.0.0.1:1\r\n\r\n", "\u{0}\u{1}\r\n\r\n"]
    {
        let mut client = Client::connect(master.address).await;
        client.send(junk).await;
        if let Some(response) = client.response().await {
            assert_eq!(response.status, 400, "{junk:?}");
        }
        assert!(client.at_end().await, "{junk:?}");
    }
    assert_eq!(get(master.address, "/health").await.status, 200);
}

/// An agent that consists of its sockets only.
struct FakeAgent {
    listener: TcpListener,
    out: TcpStream,
    address: SocketAddr,
}

/// The bytes received on one connection to the agent.
struct Incoming {
    socket: TcpStream,
    decoder: RequestDecoder,
}

impl FakeAgent {
    async fn new(master: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("an address");
        FakeAgent { listener, out: TcpStream::connect(master).await.expect("connect"), address }
    }

    fn pid(&self) -> String {
        format!("slave(1)@{}", self.address)
    }

    async fn register(&mut self) {
        let slave = v1::AgentInfo {
            hostname: "localhost".to_owned(),
            port: Some(i32::from(self.address.port())),
            resources: resources::Resources::parse("cpus:1;mem:64", "*").expect("resources").to_proto(),
            ..Default::default()
        };
        let register = internal::RegisterSlaveMessage {
            slave,
            version: Some("1.11.0".to_owned()),
            resource_version_uuid: Some(v1::Uuid { value: vec![7; 16] }),
            ..Default::default()
        };
        self.send("mesos.internal.RegisterSlaveMessage", &register.encode_to_vec()).await;
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        let mut bytes = Vec::new();
        write!(
            bytes,
            "POST /master/{name} HTTP/1.1\r\nUser-Agent: libprocess/{0}\r\nLibprocess-From: {0}\r\n",
            self.pid()
        )
        .and_then(|()| write!(bytes, "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()))
        .expect("written");
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"\r\n0\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut self.out, &bytes).await.expect("write");
    }

    async fn accept(&self) -> Incoming {
        let accepted = tokio::time::timeout(TIMEOUT, self.listener.accept()).await.expect("a link in time");
        Incoming { socket: accepted.expect("accept").0, decoder: RequestDecoder::new(EnvelopeLimits::default()) }
    }
}

impl Incoming {
    async fn next(&mut self) -> Received {
        loop {
            if let Some(received) = self.decoder.next_message().expect("a message") {
                return received;
            }
            let read = tokio::time::timeout(TIMEOUT, self.socket.read_buf(self.decoder.buffer())).await;
            assert_ne!(read.expect("a message in time").expect("read"), 0, "the link ended");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_linked_answered_and_pinged() {
    let master = master();
    let mut agent = FakeAgent::new(master.address).await;
    agent.register().await;
    let mut link = agent.accept().await;
    let mut names = Vec::new();
    let mut observer = None;
    while names.len() < 2 {
        let received = link.next().await;
        assert_eq!(received.to, "slave(1)");
        match received.name.as_str() {
            "mesos.internal.SlaveRegisteredMessage" => {
                assert_eq!(received.from.to_string(), format!("master@{}", master.address));
                let registered = internal::SlaveRegisteredMessage::decode(&*received.body).expect("decoded");
                assert!(registered.slave_id.value.ends_with("-S0"));
                let connection = registered.connection.expect("a connection");
                assert_eq!(connection.total_ping_timeout_seconds, Some(75.0));
            }
            "mesos.internal.PingSlaveMessage" => observer = Some(received.from.id.to_string()),
            other => panic!("unexpected {other}"),
        }
        names.push(received.name);
    }
    assert_eq!(observer.as_deref(), Some("slave-observer(1)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_link_disconnects_the_agent() {
    let master = master();
    let mut scheduler = Scheduler::subscribe(master.address, r#"{"user":"u","name":"n"}"#).await;
    let mut agent = FakeAgent::new(master.address).await;
    agent.register().await;
    let mut link = agent.accept().await;
    link.next().await;
    scheduler.stream.event_of("OFFERS").await;
    drop(link);
    scheduler.stream.event_of("RESCIND").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_stay_silent() {
    let master = master();
    let silent = Client::connect(master.address).await;
    assert_eq!(request(master.address, "GET /health HTTP/1.1\r\n\r\n").await.status, 200);
    let mut silent = silent;
    silent.send("GET /health HTTP/1.1\r\n\r\n").await;
    assert_eq!(silent.response().await.expect("a response").status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_of_a_sender_is_checked_if_configured() {
    let from = |address: &str, body: &str| {
        format!(
            "POST /master/x HTTP/1.1\r\nLibprocess-From: a@{address}:9\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (checked, address, expect) in [(false, "10.1.2.3", 202), (true, "10.1.2.3", 400), (true, "127.0.0.1", 202)] {
        let check = if checked { SenderCheck::PeerAddress } else { SenderCheck::None };
        let master = master_with(|options| options.sender_check = check);
        // The message is the first on a connection, or follows an HTTP request.
        for before in ["", "GET /health HTTP/1.1\r\n\r\n"] {
            let mut client = Client::connect(master.address).await;
            client.send(format!("{before}{}{}", from(address, ""), from(address, "b"))).await;
            if !before.is_empty() {
                assert_eq!(client.response().await.expect("an answer").status, 200);
            }
            for _ in 0..2 {
                let response = client.response().await.expect("an answer");
                assert_eq!(response.status, expect, "{checked} {address}");
                if expect == 400 {
                    let text = response.text();
                    assert!(text.starts_with("UPID IP address validation failed: Message from a@10.1.2.3:9"), "{text}");
                }
            }
        }
    }
}
