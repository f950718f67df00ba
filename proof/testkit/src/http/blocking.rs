//! Requests for tests without an async runtime.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A response to [`get_blocking`].
#[derive(Debug, PartialEq)]
pub struct BlockingResponse {
    /// The status.
    pub status: u16,
    /// The value of the `Location` header of a redirect.
    pub location: Option<String>,
    /// The body as it was sent, which may be chunked.
    pub body: String,
}

/// Sends a GET to a server of this machine. Returns `None` if the server does not answer in time.
pub fn get_blocking(port: u16, path: &str) -> Option<BlockingResponse> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).map(str::to_owned);
    Some(BlockingResponse { status, location, body: body.to_owned() })
}
