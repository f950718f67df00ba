//! The requests to the agent's API that are in flight. Each has a connection of its own, so that a wait for the end of a
//! container delays nothing; the loop of the executor polls them all.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use messages::v1::agent::Call;
use rustix::event::{PollFd, PollFlags};
use wire::http::Response;

use super::actions::{Purpose, Reply};
use crate::connection::{self, ACCEPT};
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
    /// Whether only the end of a successful response matters.
    is_stream: bool,
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
        let response = Response::new(MAX_BODY);
        let mut request = Request { stream, unsent, response, is_stream: purpose.is_stream() };
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
                Ok(0) if self.response.end().is_ok() => return Some(self.reply()),
                Ok(0) => return Some(Reply::Broken),
                Ok(read) => match self.response.push(&buffer[..read]) {
                    Ok(true) => return Some(self.reply()),
                    Ok(false) => {
                        if self.is_stream && self.response.status() == Some(200) {
                            drop(self.response.take_body());
                        }
                    }
                    Err(_) => return Some(Reply::Broken),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Some(Reply::Broken),
            }
        }
    }

    fn reply(&mut self) -> Reply {
        let body = self.response.take_body();
        match self.response.status() {
            Some(200) if self.is_stream => Reply::Answered { status: 200, body: Vec::new() },
            Some(status) => Reply::Answered { status, body },
            None => Reply::Broken,
        }
    }
}
