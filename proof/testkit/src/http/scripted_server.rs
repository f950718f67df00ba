//! A server that plays a master or an agent by script.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use messages::schema::HasDescriptor;
use messages::v1;
use messages::v1::scheduler::{Call, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Serves one connection after the other. Each request of a connection gets the next answer of its list.
pub struct ScriptedServer {
    /// The address at which the server listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    served: watch::Receiver<usize>,
}

/// A request that a [`ScriptedServer`] has received.
#[derive(Debug, Clone)]
pub struct Request {
    /// The number of the connection, from 0.
    pub connection: usize,
    /// The first line and the headers, in lower case.
    pub head: String,
    /// The body of the request.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns the body as a scheduler's call.
    pub fn scheduler_call(&self) -> Call {
        self.message()
    }

    /// Returns the body as a protobuf message.
    ///
    /// # Panics
    ///
    /// Panics if the body is no such message.
    pub fn message<M: HasDescriptor>(&self) -> M {
        wire::decode(&self.body, &wire::Limits::default()).expect("a message of this type")
    }

    /// Returns the body as an operator's call to an agent.
    pub fn agent_call(&self) -> v1::agent::Call {
        self.message()
    }
}

impl ScriptedServer {
    /// Starts a server with a list of complete responses for each connection. Connections after the last of them are
    /// refused.
    pub async fn start(script: Vec<Vec<Vec<u8>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
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
            // From here on, connections are refused.
            drop(listener);
            progress.closed().await;
        });
        ScriptedServer { address, requests, served }
    }

    /// Returns the requests that the server has received so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("lock").clone()
    }

    /// Waits until the connection of that number is closed.
    pub async fn closed(&self, connection: usize) {
        let mut served = self.served.clone();
        served.wait_for(|served| *served > connection).await.expect("the server lives");
    }
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

/// Returns a response with extra header lines (each with its line end).
pub fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

/// Returns 202, the response to a call that is accepted.
pub fn accepted() -> Vec<u8> {
    response("202 Accepted", "", b"")
}

/// Returns a response with a protobuf message.
pub fn protobuf_response<M: HasDescriptor>(message: &M) -> Vec<u8> {
    response("200 OK", "Content-Type: application/x-protobuf\r\n", &wire::encode(message))
}

fn stream_headers(id: &str) -> String {
    format!("Mesos-Stream-Id: {id}\r\nContent-Type: application/x-protobuf\r\n")
}

fn records(events: &[Event]) -> Vec<u8> {
    let mut records = Vec::new();
    for event in events {
        wire::recordio::encode(&wire::encode(event), &mut records);
    }
    records
}

/// Returns an event stream with this id that ends after these events.
pub fn event_stream(id: &str, events: &[Event]) -> Vec<u8> {
    response("200 OK", &stream_headers(id), &records(events))
}

/// Returns an event stream with this id that stays open after these events and sends nothing more.
pub fn open_event_stream(id: &str, events: &[Event]) -> Vec<u8> {
    let (headers, records) = (stream_headers(id), records(events));
    let out = format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", records.len());
    let mut out = out.into_bytes();
    out.extend_from_slice(&records);
    out.extend_from_slice(b"\r\n");
    out
}
