//! The receiving end of a libprocess connection, which turns bytes into messages.

use bytes::{Buf, Bytes, BytesMut};
use ids::Upid;

use super::body::{BodyError, BodyReader, Framing};
use super::envelope::{EnvelopeError, is_message, parse_path, sender};
use super::head_scanner::HeadScanner;

const MAX_HEADERS: usize = 64;

/// Bounds on one connection of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopeLimits {
    /// The largest head in bytes.
    pub max_head: usize,
    /// The largest body in bytes.
    pub max_body: usize,
}

impl Default for EnvelopeLimits {
    fn default() -> Self {
        EnvelopeLimits { max_head: 64 << 10, max_body: 64 << 20 }
    }
}

impl EnvelopeLimits {
    fn head_too_long(&self) -> RequestError {
        RequestError::HeadTooLong { limit: self.max_head }
    }
}

/// A message as it arrived; its body is not decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The process that sent it.
    pub from: Upid,
    /// The id of the process that it is addressed to.
    pub to: String,
    /// The full name of the protobuf message, which may be unknown.
    pub name: String,
    /// The protobuf bytes.
    pub body: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum RequestError {
    #[error("malformed request")]
    Malformed(#[from] httparse::Error),
    #[error("the request head is longer than the limit of {limit} bytes")]
    HeadTooLong { limit: usize },
    /// The request is an ordinary HTTP request; its bytes are still in the decoder, see
    /// [`RequestDecoder::into_unread`].
    #[error("not a libprocess message")]
    NotAMessage,
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// Splits the bytes of one connection into messages. Every error is final: the connection has lost its framing, or does
/// not carry messages.
#[derive(Debug)]
pub struct RequestDecoder {
    limits: EnvelopeLimits,
    buffer: BytesMut,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(HeadScanner),
    Body(Box<Pending>),
    Failed(RequestError),
}

#[derive(Debug)]
struct Pending {
    from: Upid,
    to: String,
    name: String,
    body: BodyReader,
}

impl RequestDecoder {
    /// Creates the decoder of a new connection.
    pub fn new(limits: EnvelopeLimits) -> Self {
        RequestDecoder { limits, buffer: BytesMut::new(), state: State::Head(HeadScanner::default()) }
    }

    /// Takes the next bytes of the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the buffer, to which a reader may append bytes without a copy.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Returns the next complete message; `None` until more bytes arrive.
    ///
    /// # Errors
    ///
    /// Returns an error if the request is malformed, exceeds the limits, or is not a message.
    pub fn next_message(&mut self) -> Result<Option<Received>, RequestError> {
        self.try_next().inspect_err(|error| self.state = State::Failed(error.clone()))
    }

    /// Returns whether a message has begun and is not complete: a peer may be idle between messages, but not within
    /// one.
    pub fn is_mid_message(&self) -> bool {
        matches!(self.state, State::Body(_)) || !self.buffer.is_empty()
    }

    /// Returns the number of bytes of an unfinished message that are kept.
    pub fn held(&self) -> usize {
        match &self.state {
            State::Body(pending) => self.buffer.len() + pending.body.length(),
            State::Head(_) | State::Failed(_) => self.buffer.len(),
        }
    }

    /// Returns the bytes that were pushed and not consumed: the whole request after [`RequestError::NotAMessage`].
    pub fn into_unread(self) -> BytesMut {
        self.buffer
    }

    fn try_next(&mut self) -> Result<Option<Received>, RequestError> {
        loop {
            match &mut self.state {
                State::Failed(error) => return Err(error.clone()),
                State::Head(scanner) => {
                    let Some(head) = scanner.head(&self.buffer) else {
                        let too_long = self.buffer.len() > self.limits.max_head;
                        return if too_long { Err(self.limits.head_too_long()) } else { Ok(None) };
                    };
                    let (length, pending) = parse_head(head, &self.limits)?;
                    self.buffer.advance(length);
                    self.state = State::Body(Box::new(pending));
                }
                State::Body(pending) => {
                    if !pending.body.advance(&mut self.buffer)? {
                        return Ok(None);
                    }
                    if let State::Body(pending) =
                        std::mem::replace(&mut self.state, State::Head(HeadScanner::default()))
                    {
                        let Pending { from, to, name, body } = *pending;
                        return Ok(Some(Received { from, to, name, body: body.into_body() }));
                    }
                }
            }
        }
    }
}

/// Returns the length of a head and its content.
fn parse_head(head: &[u8], limits: &EnvelopeLimits) -> Result<(usize, Pending), RequestError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(head)? {
        httparse::Status::Complete(length) if length <= limits.max_head => length,
        _ => return Err(limits.head_too_long()),
    };
    let header = |name: &str| {
        let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let (agent, from) = (header("User-Agent"), header("Libprocess-From"));
    if !is_message(request.method.unwrap_or_default(), agent, from) {
        return Err(RequestError::NotAMessage);
    }
    let from = sender(agent, from)?;
    let (to, name) = parse_path(request.path.unwrap_or_default())?;
    let body = BodyReader::new(Framing::of(request.headers)?, limits.max_body, true)?;
    Ok((length, Pending { from, to, name, body }))
}
