//! A client that writes raw bytes and shows the response: heads, chunks, records of event streams.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::TIMEOUT;

/// One connection to a server.
pub struct Client {
    /// The socket of the connection.
    pub socket: TcpStream,
    unread: Vec<u8>,
}

/// A response as it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers; their names are in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; chunks are put together.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the value of a header. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Client {
    /// Connects to a server.
    pub async fn connect(address: SocketAddr) -> Self {
        Client::of(TcpStream::connect(address).await.expect("connect"))
    }

    /// Returns a client on an existing connection.
    pub fn of(socket: TcpStream) -> Self {
        Client { socket, unread: Vec::new() }
    }

    /// Writes these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.expect("write");
    }

    /// Reads once more. Returns false at the end of the connection, whether it was closed or has failed.
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

    /// Reads up to and including these bytes. Returns `None` if the connection ends before.
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

    /// Reads `count` bytes.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.more().await, "the connection ended within a body");
        }
        self.unread.drain(..count).collect()
    }

    /// Returns the next head, or `None` at the end of the connection.
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

    /// Returns the next chunk of a stream, or `None` at its end.
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

    /// Returns the next event of this type and skips the events before it, such as heartbeats.
    ///
    /// # Panics
    ///
    /// Panics if the stream ends before, or if there is no such event within [`TIMEOUT`]. Heartbeats would otherwise keep a
    /// test waiting for ever.
    pub async fn event_of(&mut self, kind: &str) -> serde_json::Value {
        let mut skipped = Vec::new();
        let searching = async {
            loop {
                let event = self.event().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
                if event["type"] == kind {
                    return event;
                }
                skipped.push(event["type"].to_string());
            }
        };
        let found = tokio::time::timeout(TIMEOUT, searching).await.ok();
        found.unwrap_or_else(|| panic!("no {kind} within {TIMEOUT:?}, but {skipped:?}"))
    }

    /// Returns whether the connection ends here.
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

/// Sends a GET on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Response {
    request(address, format!("GET {path} HTTP/1.1\r\n\r\n")).await
}

/// Returns a POST with extra header lines (each with its line end).
pub fn post(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("POST {path} HTTP/1.1\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The header of a JSON body.
pub const JSON: &str = "Content-Type: application/json\r\n";

/// Sends a POST with a JSON body on a connection of its own.
pub async fn call(address: SocketAddr, path: &str, body: &str) -> Response {
    request(address, post(path, JSON, body)).await
}
