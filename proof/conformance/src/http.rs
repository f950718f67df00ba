//! A raw HTTP/1.1 client on blocking sockets. It sends exactly the bytes that a case asks for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case_error::{CaseError, Checked};

/// The time within which a peer must answer.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest response that is read; it is far above any response that a case asks for.
const MAX_ANSWER: usize = 64 << 20;

#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Request { method: method.into(), target: target.into(), headers: Vec::new(), body: None }
    }

    pub fn get(target: &str) -> Self {
        Request::new("GET", target)
    }

    pub fn post(target: &str) -> Self {
        Request::new("POST", target)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn accept(self, value: &str) -> Self {
        self.header("Accept", value)
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        if content_type.is_empty() { self } else { self.header("Content-Type", content_type) }
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn text(self, body: &str) -> Self {
        self.body("application/json", body)
    }

    pub fn protobuf(self, message: &impl prost::Message) -> Self {
        self.body("application/x-protobuf", message.encode_to_vec())
    }

    pub fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body)
    }

    fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub fn to_bytes(&self, host: SocketAddrV4) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Checked<Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| CaseError::unexpected("body", format!("JSON ({error})"), self.text()))
    }

    /// Checks the status.
    pub fn expect(self, status: u16) -> Checked<Self> {
        if self.status == status {
            return Ok(self);
        }
        Err(CaseError::unexpected("status", status, format!("{} {:?}", self.status, self.text())))
    }

    /// Checks that the body is exactly this.
    pub fn expect_body(self, body: &str) -> Checked<Self> {
        crate::check::equal("body", body.to_owned(), self.text())?;
        Ok(self)
    }

    pub fn expect_body_containing(self, part: &str) -> Checked<Self> {
        crate::check::contains("body", part, &self.text())?;
        Ok(self)
    }

    pub fn expect_header(self, header: &str, value: &str) -> Checked<Self> {
        crate::check::equal(&format!("header {header}"), Some(value), self.header(header))?;
        Ok(self)
    }

    pub fn expect_no_header(self, header: &str) -> Checked<Self> {
        crate::check::equal(&format!("header {header}"), None, self.header(header))?;
        Ok(self)
    }

    fn is_chunked(&self) -> bool {
        self.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

/// Sends one request on its own connection.
pub fn fetch(address: SocketAddrV4, request: &Request) -> Checked<Response> {
    let mut connection = Connection::open(address)?;
    connection.write(&request.to_bytes(address))?;
    connection.read_response(request.is_head())
}

/// Sends raw bytes and reads one response.
pub fn fetch_raw(address: SocketAddrV4, bytes: &[u8]) -> Checked<Response> {
    let mut connection = Connection::open(address)?;
    connection.write(bytes)?;
    connection.read_response(false)
}

pub struct Connection {
    stream: TcpStream,
    /// The bytes that were received and not yet used.
    buffer: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddrV4) -> Checked<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::V4(address), RESPONSE_TIMEOUT)
            .map_err(CaseError::io(format!("connecting to {address}")))?;
        stream.set_write_timeout(Some(RESPONSE_TIMEOUT)).map_err(CaseError::io("setting a timeout"))?;
        Ok(Connection { stream, buffer: Vec::new() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Checked {
        self.stream.write_all(bytes).map_err(CaseError::io("writing"))
    }

    /// Half-closes the connection.
    pub fn finish_writing(&mut self) -> Checked {
        self.stream.shutdown(Shutdown::Write).map_err(CaseError::io("shutting down"))
    }

    pub fn read_response(&mut self, head_only: bool) -> Checked<Response> {
        let deadline = Instant::now() + RESPONSE_TIMEOUT;
        let mut response = self.read_head(deadline)?;
        if head_only || response.status == 204 || response.status == 304 {
            return Ok(response);
        }
        if response.is_chunked() {
            while let Some(chunk) = self.read_chunk(deadline)? {
                response.body.extend_from_slice(&chunk);
            }
        } else if let Some(length) = response.header("Content-Length").map(str::to_owned) {
            let length: usize =
                length.trim().parse().map_err(|_| CaseError::unexpected("Content-Length", "a number", &length))?;
            response.body = self.take_exactly(length, deadline)?;
        } else {
            while self.fill(deadline)? {}
            response.body = std::mem::take(&mut self.buffer);
        }
        Ok(response)
    }

    /// Reads the status line and the headers of a stream. If the response is not chunked, its body is read as well.
    pub fn read_stream_head(&mut self) -> Checked<Response> {
        let head = self.read_head(Instant::now() + RESPONSE_TIMEOUT)?;
        if head.is_chunked() { Ok(head) } else { self.finish_plain(head) }
    }

    /// Reads the body of a response that is not a stream.
    fn finish_plain(&mut self, mut head: Response) -> Checked<Response> {
        let length = head.header("Content-Length").and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        head.body = self.take_exactly(length, Instant::now() + RESPONSE_TIMEOUT)?;
        Ok(head)
    }

    fn read_head(&mut self, deadline: Instant) -> Checked<Response> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return parse_head(&head);
            }
            if !self.fill(deadline)? {
                return Err(CaseError::unexpected("connection", "an answer", "end of stream"));
            }
        }
    }

    /// Returns the next chunk of a chunked body; `None` at its end, whether it is complete or not.
    pub fn read_chunk(&mut self, deadline: Instant) -> Checked<Option<Vec<u8>>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16)
                    .map_err(|_| CaseError::unexpected("chunk", "a size in hexadecimal", &line))?;
                if size > MAX_ANSWER {
                    return Err(CaseError::unexpected("chunk", "a reasonable size", size));
                }
                while self.buffer.len() < end + 2 + size + 2 {
                    if !self.fill(deadline)? {
                        return Ok(None);
                    }
                }
                self.buffer.drain(..end + 2);
                let chunk: Vec<u8> = self.buffer.drain(..size).collect();
                self.buffer.drain(..2);
                return Ok((size > 0).then_some(chunk));
            }
            if !self.fill(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Returns whether the peer ends the connection in time; the bytes that it sends before are ignored.
    pub fn ends_within(&mut self, time: Duration) -> Checked<bool> {
        let deadline = Instant::now() + time;
        loop {
            self.buffer.clear();
            match self.fill(deadline) {
                Ok(true) => {}
                Ok(false) => return Ok(true),
                Err(CaseError::Timeout { .. }) => return Ok(false),
                // A reset ends the connection as well.
                Err(CaseError::Io { .. }) => return Ok(true),
                Err(other) => return Err(other),
            }
        }
    }

    fn take_exactly(&mut self, length: usize, deadline: Instant) -> Checked<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill(deadline)? {
                return Err(CaseError::unexpected("body", format!("{length} bytes"), self.buffer.len()));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads more bytes. Returns false at the end of the stream.
    fn fill(&mut self, deadline: Instant) -> Checked<bool> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(CaseError::Timeout { what: "the next bytes".into(), seconds: RESPONSE_TIMEOUT.as_secs_f64() });
        }
        self.stream.set_read_timeout(Some(remaining)).map_err(CaseError::io("setting a timeout"))?;
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(_) if self.buffer.len() > MAX_ANSWER => Err(CaseError::unexpected("answer", "an end", "more and more")),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(CaseError::Timeout { what: "the next bytes".into(), seconds: remaining.as_secs_f64() })
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(CaseError::io("reading")(error)),
        }
    }
}

fn parse_head(head: &[u8]) -> Checked<Response> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.split(' ').next())
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| CaseError::unexpected("status line", "HTTP/1.1 and a code", status_line))?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Ok(Response { status, headers, body: Vec::new() })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    /// Returns the response that is read from a peer that sends these bytes and closes the connection.
    fn answered(bytes: &'static [u8]) -> Checked<Response> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // The server waits for the client to finish, because closing with unread bytes would reset what was sent.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let mut connection = Connection::open(address)?;
        let response = connection.read_response(false);
        drop(connection);
        server.join().unwrap();
        response
    }

    #[track_caller]
    fn check(bytes: &'static [u8], status: u16, body: &str) {
        let response = answered(bytes).unwrap();
        assert_eq!((response.status, response.text().as_str()), (status, body));
    }

    #[test]
    fn bodies_end_where_their_framing_says() {
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", 200, "hello");
        check(b"HTTP/1.1 404 Not Found\r\n\r\nuntil the end", 404, "until the end");
        check(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n",
            200,
            "hello, world",
        );
        check(b"HTTP/1.1 204 No Content\r\n\r\n", 204, "");
    }

    #[test]
    fn invalid_responses_are_reported() {
        for (bytes, told) in [
            (&b""[..], "connection: expected an answer, got end of stream"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "body: expected 9 bytes, got 5"),
            (b"SSH-2.0-x\r\n\r\n", "status line: expected HTTP/1.1 and a code, got SSH-2.0-x"),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "chunk: expected a size in hexadecimal, got zz",
            ),
        ] {
            assert_eq!(answered(bytes).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn a_request_is_encoded() {
        let host = "127.0.0.1:5050".parse().unwrap();
        let request = Request::post("/x").accept("a/b").text("{}");
        let bytes = String::from_utf8(request.to_bytes(host)).unwrap();
        assert_eq!(
            bytes,
            "POST /x HTTP/1.1\r\nHost: 127.0.0.1:5050\r\nAccept: a/b\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn expectations_name_both_sides() {
        let response = Response { status: 404, headers: Vec::new(), body: b"gone".to_vec() };
        let told = |outcome: Checked<Response>| outcome.unwrap_err().to_string();
        assert_eq!(told(response.clone().expect(200)), "status: expected 200, got 404 \"gone\"");
        assert_eq!(told(response.clone().expect_body("here")), "body: expected \"here\", got \"gone\"");
        assert_eq!(told(response.expect_header("Allow", "POST")), "header Allow: expected Some(\"POST\"), got None");
    }
}
