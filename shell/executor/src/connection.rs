//! Blocking HTTP/1.1 to the agent: one connection for calls, one for the event stream.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use messages::v1::executor::{Call, Event};
use wire::Limits;
use wire::http::{Chunked, InvalidHead, ResponseHead, parse_head};
use wire::recordio::Decoder;

use crate::environment::Environment;

/// The timeout of reads and writes. The agent is on this machine, so a longer wait means that it is stuck, and a retry
/// does no harm.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum length of the text of a refusal in bytes.
const MAX_BODY: usize = 64 << 10;
const MAX_EVENT: usize = 64 << 20;

/// The reason for which a request to the agent failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot reach the agent")]
    Io(#[from] io::Error),
    #[error("the agent answered {status}: {body}")]
    Refused { status: u16, body: String },
    #[error("the agent sent something that is not the executor API: {0}")]
    Protocol(String),
}

impl From<InvalidHead> for Error {
    fn from(invalid: InvalidHead) -> Self {
        Error::Protocol(invalid.to_string())
    }
}

impl Error {
    /// Returns whether a retry may succeed, because the agent may be restarting.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Io(_) => true,
            Error::Refused { status, .. } => *status == 503,
            Error::Protocol(_) => false,
        }
    }
}

/// Sends calls over one persistent connection.
#[derive(Debug)]
pub struct Caller {
    environment: Environment,
    stream: Option<TcpStream>,
}

impl Caller {
    /// Makes a caller that connects with the first call.
    pub fn new(environment: Environment) -> Self {
        Caller { environment, stream: None }
    }

    /// Sends a call and waits for its 202. If a reused connection fails, which the agent may have closed, the call is
    /// sent once more on a new one; agents recognise a repeated update by its uuid.
    ///
    /// # Errors
    /// Returns [`Error`] if the agent does not answer 202.
    pub fn send(&mut self, call: &Call) -> Result<(), Error> {
        if let Some(stream) = self.stream.take() {
            match self.exchange(stream, call) {
                Err(Error::Io(_)) => {}
                result => return result,
            }
        }
        let stream = connect(&self.environment)?;
        self.exchange(stream, call)
    }

    fn exchange(&mut self, mut stream: TcpStream, call: &Call) -> Result<(), Error> {
        stream.write_all(&request(&self.environment, call))?;
        let (head, mut rest) = read_head(&mut stream)?;
        let mut body = Vec::new();
        match head.length {
            Some(length) => {
                while rest.len() < length {
                    let mut buffer = [0; 1024];
                    let n = stream.read(&mut buffer)?;
                    if n == 0 {
                        return Err(Error::Protocol("an answer that ends too early".to_owned()));
                    }
                    rest.extend_from_slice(&buffer[..n]);
                    if rest.len() > MAX_BODY {
                        break;
                    }
                }
                body.extend_from_slice(&rest[..length.min(rest.len())]);
            }
            None => body = rest,
        }
        if head.status != 202 {
            return Err(Error::Refused { status: head.status, body: String::from_utf8_lossy(&body).into_owned() });
        }
        if head.keep_alive && head.length.is_some() {
            self.stream = Some(stream);
        }
        Ok(())
    }
}

/// The event stream of a subscription.
#[derive(Debug)]
pub struct Subscription {
    stream: TcpStream,
    chunked: Chunked,
    records: Decoder,
}

impl Subscription {
    /// Subscribes and returns the event stream.
    ///
    /// # Errors
    /// Returns [`Error`] if the agent does not open a stream.
    pub fn open(environment: &Environment, subscribe: &Call) -> Result<Self, Error> {
        let mut stream = connect(environment)?;
        stream.write_all(&request(environment, subscribe))?;
        let (head, rest) = read_head(&mut stream)?;
        if head.status != 200 {
            return Err(Error::Refused { status: head.status, body: String::from_utf8_lossy(&rest).into_owned() });
        }
        if !head.chunked {
            return Err(Error::Protocol("an event stream that is not chunked".to_owned()));
        }
        stream.set_nonblocking(true)?;
        let mut subscription = Subscription { stream, chunked: Chunked::new(), records: Decoder::new(MAX_EVENT) };
        subscription.take(&rest)?;
        Ok(subscription)
    }

    /// Returns the socket, which becomes readable when events arrive.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads the bytes that have arrived. Returns false if the agent has ended the stream.
    ///
    /// # Errors
    /// Returns [`Error`] if the connection fails or the bytes are not RecordIO in chunks.
    pub fn receive(&mut self) -> Result<bool, Error> {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => self.take(&buffer[..n])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(!self.chunked.is_done()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the next complete event among the bytes that were read.
    ///
    /// # Errors
    /// Returns [`Error::Protocol`] if the event cannot be decoded.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        let Some(record) = self.records.next_record() else { return Ok(None) };
        wire::decode(&record, &Limits::default()).map(Some).map_err(|e| Error::Protocol(e.to_string()))
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut payload = Vec::new();
        self.chunked.push(bytes, &mut payload).map_err(|e| Error::Protocol(e.to_string()))?;
        self.records.push(&payload).map_err(|e| Error::Protocol(e.to_string()))
    }
}

/// Connects to the agent.
///
/// # Errors
/// Returns [`Error::Io`] if the agent cannot be reached.
pub fn connect(environment: &Environment) -> Result<TcpStream, Error> {
    let stream = TcpStream::connect(&environment.endpoint)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn request(environment: &Environment, call: &Call) -> Vec<u8> {
    post(environment, &environment.path, ACCEPT, &wire::encode(call))
}

/// The header of a request whose answer is one message, or the event stream of the executor API.
pub const ACCEPT: &str = "Accept: application/x-protobuf\r\n";

/// Returns the bytes of a POST request to the agent. `accept` are the header lines that choose the form of the answer.
pub fn post(environment: &Environment, path: &str, accept: &str, body: &[u8]) -> Vec<u8> {
    let authorization = match &environment.token {
        Some(token) => format!("Authorization: Bearer {token}\r\n"),
        None => String::new(),
    };
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\n{accept}\
         {authorization}Content-Length: {}\r\n\r\n",
        environment.endpoint,
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Reads the head of a response. Returns it with the bytes after it that were read as well.
fn read_head(stream: &mut TcpStream) -> Result<(ResponseHead, Vec<u8>), Error> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 1024];
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        bytes.extend_from_slice(&buffer[..n]);
        if let Some((head, length)) = parse_head(&bytes)? {
            bytes.drain(..length);
            return Ok((head, bytes));
        }
    }
}
