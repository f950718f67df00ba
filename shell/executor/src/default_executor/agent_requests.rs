//! The requests to the agent's API that are in flight. Each has a connection of its own, so that a wait for the end of a
//! container delays nothing; the loop of the executor polls them all.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use messages::v1::agent::Call;
use rustix::event::{PollFd, PollFlags};

use super::actions::{Purpose, Reply};
use crate::chunked::Chunked;
use crate::connection::{self, ACCEPT, Head, MAX_HEAD};
use crate::environment::Environment;

/// The maximum length of an answer in bytes. The text of a refused launch is the longest.
const MAX_BODY: usize = 1 << 20;
/// The headers that ask for a stream of records.
const ACCEPT_RECORDS: &str = "Accept: application/recordio\r\nMessage-Accept: application/x-protobuf\r\n";

/// The requests in flight.
#[derive(Debug)]
pub struct AgentRequests {
    environment: Environment,
    open: BTreeMap<Purpose, Request>,
}

#[derive(Debug)]
struct Request {
    stream: TcpStream,
    unsent: Vec<u8>,
    response: Response,
}

/// The part of a response that has arrived.
#[derive(Debug)]
struct Response {
    /// Whether the body of a successful response is left out.
    is_stream: bool,
    head: Option<Head>,
    /// The bytes of the head until it is complete, then those of the body.
    bytes: Vec<u8>,
    chunked: Chunked,
}

impl AgentRequests {
    /// Makes an empty set.
    pub fn new(environment: Environment) -> Self {
        AgentRequests { environment, open: BTreeMap::new() }
    }

    /// Sends a call. Returns its reply if there is one at once, because the agent cannot be reached.
    pub fn begin(&mut self, purpose: Purpose, call: &Call) -> Option<Reply> {
        self.open.remove(&purpose);
        let accept = if purpose.is_stream() { ACCEPT_RECORDS } else { ACCEPT };
        let unsent = connection::post(&self.environment, self.environment.agent_path(), accept, &wire::encode(call));
        let stream = connection::connect(&self.environment).ok();
        let Some(stream) = stream.filter(|stream| stream.set_nonblocking(true).is_ok()) else {
            return Some(Reply::Broken);
        };
        let response =
            Response { is_stream: purpose.is_stream(), head: None, bytes: Vec::new(), chunked: Chunked::new() };
        let mut request = Request { stream, unsent, response };
        if request.write().is_err() {
            return Some(Reply::Broken);
        }
        self.open.insert(purpose, request);
        None
    }

    /// Closes the connection of a request, if there is one.
    pub fn cancel(&mut self, purpose: Purpose) {
        self.open.remove(&purpose);
    }

    /// Closes all connections.
    pub fn cancel_all(&mut self) {
        self.open.clear();
    }

    /// Returns what to poll, in the order of `ready`.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.open.values().map(|request| {
            let flags = if request.unsent.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            PollFd::new(&request.stream, flags)
        })
    }

    /// Continues the requests whose connections are ready. Returns the replies that are complete.
    pub fn advance(&mut self, ready: &[bool]) -> Vec<(Purpose, Reply)> {
        let mut replies = Vec::new();
        for ((purpose, request), ready) in self.open.iter_mut().zip(ready) {
            if *ready && let Some(reply) = request.advance() {
                replies.push((*purpose, reply));
            }
        }
        for (purpose, _) in &replies {
            self.open.remove(purpose);
        }
        replies
    }
}

impl Request {
    fn write(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent = Vec::new();
        Ok(())
    }

    fn advance(&mut self) -> Option<Reply> {
        if self.write().is_err() {
            return Some(Reply::Broken);
        }
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Some(self.response.end()),
                Ok(read) => match self.response.push(&buffer[..read]) {
                    Ok(true) => return Some(self.response.take()),
                    Ok(false) => {}
                    Err(Invalid) => return Some(Reply::Broken),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Some(Reply::Broken),
            }
        }
    }
}

/// The peer does not speak HTTP, or says more than any agent does.
struct Invalid;

impl Response {
    /// Takes bytes in. Returns whether the response is complete.
    fn push(&mut self, bytes: &[u8]) -> Result<bool, Invalid> {
        if self.head.is_some() {
            return self.push_body(bytes);
        }
        self.bytes.extend_from_slice(bytes);
        match connection::parse_head(&self.bytes).map_err(|_| Invalid)? {
            None if self.bytes.len() > MAX_HEAD => Err(Invalid),
            None => Ok(false),
            Some((head, length)) => {
                self.head = Some(head);
                let rest = self.bytes.split_off(length);
                self.bytes = Vec::new();
                self.push_body(&rest)
            }
        }
    }

    fn push_body(&mut self, bytes: &[u8]) -> Result<bool, Invalid> {
        let Some(head) = &self.head else { return Ok(false) };
        if head.chunked {
            self.chunked.push(bytes, &mut self.bytes).map_err(|_| Invalid)?;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        if self.is_stream && head.status == 200 {
            // Only the end of the stream matters.
            self.bytes = Vec::new();
        }
        if self.bytes.len() > MAX_BODY {
            return Err(Invalid);
        }
        Ok(match head.length {
            _ if head.chunked => self.chunked.is_done(),
            Some(length) => self.bytes.len() >= length,
            None => false,
        })
    }

    /// Handles the end of the connection, which ends a body of unknown length.
    fn end(&mut self) -> Reply {
        match &self.head {
            Some(head) if !head.chunked && head.length.is_none() => self.take(),
            _ => Reply::Broken,
        }
    }

    fn take(&mut self) -> Reply {
        let status = self.head.as_ref().map_or(0, |head| head.status);
        Reply::Answered { status, body: std::mem::take(&mut self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(is_stream: bool, input: &[u8], step: usize) -> Reply {
        let mut response = Response { is_stream, head: None, bytes: Vec::new(), chunked: Chunked::new() };
        for piece in input.chunks(step) {
            match response.push(piece) {
                Ok(true) => return response.take(),
                Ok(false) => {}
                Err(Invalid) => return Reply::Broken,
            }
        }
        response.end()
    }

    #[test]
    fn a_response_ends_as_its_head_says_however_it_arrives() {
        let check = |is_stream: bool, input: &str, expect: Option<(u16, &str)>| {
            let expect = match expect {
                Some((status, body)) => Reply::Answered { status, body: body.into() },
                None => Reply::Broken,
            };
            for step in 1..=input.len() {
                assert_eq!(reply(is_stream, input.as_bytes(), step), expect, "{input:?} in steps of {step}");
            }
        };
        check(false, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some((200, "ok")));
        check(
            false,
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            Some((404, "no")),
        );
        check(false, "HTTP/1.1 200 OK\r\n\r\nto the end", Some((200, "to the end")));
        check(true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n3\nabc\r\n0\r\n\r\n", Some((200, "")));
        check(true, "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nwhy", Some((400, "why")));
        check(true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n3\nabc\r\n", None);
        check(false, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", None);
        check(false, "SSH-2.0\r\n", None);
    }

    #[test]
    fn an_endless_response_is_not_buffered() {
        let mut input = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
        input.resize(MAX_BODY + 1000, b'x');
        assert_eq!(reply(false, &input, 4096), Reply::Broken);
    }
}
