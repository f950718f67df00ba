//! A real server on an ephemeral port, and a client that writes raw bytes.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use edge::Running;
use master_server::{MasterOptions, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The upper bound of every wait. It is far above what is needed, and is reached only by a failing test.
pub const TIMEOUT: Duration = Duration::from_secs(60);

pub fn master() -> Running {
    master_with(|_| {})
}

pub fn master_with(change: impl FnOnce(&mut MasterOptions)) -> Running {
    let mut options = MasterOptions::new(Ipv4Addr::LOCALHOST, 0, "localhost");
    change(&mut options);
    start(options).expect("the master starts")
}

/// One connection to a server.
pub struct Client {
    pub socket: TcpStream,
    unread: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Client::of(TcpStream::connect(address).await.expect("connect"))
    }

    pub fn of(socket: TcpStream) -> Self {
        Client { socket, unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.expect("write");
    }

    /// Reads once. Returns false at the end of the connection, regular or not.
    async fn more(&mut self) -> bool {
        let mut buffer = [0; 16384];
        let read = tokio::time::timeout(TIMEOUT, self.socket.read(&mut buffer)).await.expect("an answer in time");
        match read {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                true
            }
        }
    }

    pub async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|window| window == mark) {
                let taken = self.unread.drain(..at + mark.len()).collect::<Vec<_>>();
                return Some(taken);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.more().await, "the connection ended within a body");
        }
        self.unread.drain(..count).collect()
    }

    /// Returns the next head; `None` at the end of the connection.
    pub async fn head(&mut self) -> Option<Response> {
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned()));
        Some(Response { status: status.expect("a status"), headers: headers.collect(), body: Vec::new() })
    }

    /// Returns the next complete response.
    pub async fn response(&mut self) -> Option<Response> {
        let mut response = self.head().await?;
        if let Some(length) = response.header("content-length") {
            let length = length.parse().expect("a length");
            response.body = self.exactly(length).await;
        } else if response.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                response.body.extend(chunk);
            }
        }
        Some(response)
    }

    /// Returns the next chunk of a stream; `None` at its end.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.until(b"\r\n").await?;
        let size = String::from_utf8_lossy(&line).trim().to_owned();
        let size = usize::from_str_radix(&size, 16).expect("a chunk size");
        let chunk = self.exactly(size + 2).await;
        if size == 0 { None } else { Some(chunk[..size].to_vec()) }
    }

    /// Returns the next JSON event of a RecordIO stream.
    pub async fn event(&mut self) -> Option<serde_json::Value> {
        let chunk = self.chunk().await?;
        let text = String::from_utf8(chunk).expect("text");
        let (length, payload) = text.split_once('\n').expect("a record");
        assert_eq!(length.parse::<usize>().expect("a length"), payload.len(), "one record a chunk");
        Some(serde_json::from_str(payload).expect("JSON"))
    }

    /// Returns the next event of this type and skips heartbeats.
    pub async fn event_of(&mut self, kind: &str) -> serde_json::Value {
        loop {
            let event = self.event().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if event["type"] == kind {
                return event;
            }
        }
    }

    pub async fn at_end(&mut self) -> bool {
        self.unread.is_empty() && !self.more().await
    }
}

/// Sends one request on a connection of its own.
pub async fn request(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Response {
    let mut client = Client::connect(address).await;
    client.send(bytes).await;
    client.response().await.expect("a response")
}

pub async fn get(address: SocketAddr, path: &str) -> Response {
    request(address, format!("GET {path} HTTP/1.1\r\n\r\n")).await
}

/// Returns a POST request. `headers` are extra header lines with their line ends.
pub fn post(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("POST {path} HTTP/1.1\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub const JSON: &str = "Content-Type: application/json\r\n";

pub async fn call(address: SocketAddr, path: &str, body: &str) -> Response {
    request(address, post(path, JSON, body)).await
}

/// A subscribed v1 scheduler.
pub struct Scheduler {
    pub stream: Client,
    pub stream_id: String,
    pub framework: String,
}

impl Scheduler {
    pub async fn subscribe(address: SocketAddr, framework_info: &str) -> Scheduler {
        let mut stream = Client::connect(address).await;
        let body = format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{framework_info}}}}}"#);
        stream.send(post("/api/v1/scheduler", JSON, body)).await;
        let head = stream.head().await.expect("a head");
        assert_eq!(head.status, 200);
        let stream_id = head.header("mesos-stream-id").expect("a stream id").to_owned();
        let subscribed = stream.event().await.expect("an event");
        assert_eq!(subscribed["type"], "SUBSCRIBED", "{subscribed}");
        let framework = subscribed["subscribed"]["framework_id"]["value"].as_str().expect("an id").to_owned();
        Scheduler { stream, stream_id, framework }
    }

    /// Makes a call; `rest` has the fields besides the framework's id.
    pub async fn call(&self, address: SocketAddr, rest: &str) -> Response {
        let body = format!(r#"{{"framework_id":{{"value":"{}"}},{rest}}}"#, self.framework);
        let headers = format!("{JSON}Mesos-Stream-Id: {}\r\n", self.stream_id);
        request(address, post("/api/v1/scheduler", &headers, body)).await
    }
}

/// Returns the first file of that name below a directory; files higher up come first.
pub fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    let mut later = Vec::new();
    for entry in std::fs::read_dir(directory).ok()?.flatten() {
        if entry.file_name() == name && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Some(entry.path());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            later.push(entry.path());
        }
    }
    later.iter().find_map(|directory| find(directory, name))
}

/// Waits for a condition that another process fulfils in its own time.
pub async fn until<T>(mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "it has not come to pass");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
