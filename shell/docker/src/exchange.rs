//! One request in flight, for a loop that waits with poll(2).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};
use wire::http::Response;

use crate::client::Answer;
use crate::error::message;
use crate::{Error, Request, Socket};

/// The maximum length of an answer in bytes. The description of a container with many variables is the longest.
const MAX_BODY: usize = 16 << 20;
/// The number of bytes that one step of a stream reads.
const STEP: usize = 64 << 10;

/// A request in flight.
#[derive(Debug)]
pub struct Exchange {
    stream: UnixStream,
    unsent: Vec<u8>,
    response: Response,
    /// Whether the body is taken while it arrives.
    is_stream: bool,
}

/// How far an exchange is.
#[derive(Debug)]
pub enum Progress {
    /// The answer is complete.
    Done(Answer),
    /// A part of a stream has arrived.
    Part(Vec<u8>),
    /// Nothing can be done before the connection is ready.
    Waiting,
}

impl Exchange {
    /// Sends a request whose answer is one piece.
    ///
    /// # Errors
    /// Returns [`Error`] if the daemon cannot be reached.
    pub fn begin(socket: &Socket, request: &Request) -> Result<Self, Error> {
        Self::new(socket, request, false)
    }

    /// Sends a request whose answer is taken while it arrives.
    ///
    /// # Errors
    /// Returns [`Error`] if the daemon cannot be reached.
    pub fn begin_stream(socket: &Socket, request: &Request) -> Result<Self, Error> {
        Self::new(socket, request, true)
    }

    fn new(socket: &Socket, request: &Request, is_stream: bool) -> Result<Self, Error> {
        let unreachable = |source| Error::Unreachable { socket: socket.to_string(), source };
        let stream = socket.connect().map_err(unreachable)?;
        let mut exchange = Exchange { stream, unsent: request.encode(), response: Response::new(MAX_BODY), is_stream };
        exchange.write()?;
        Ok(exchange)
    }

    /// Returns what to poll.
    pub fn poll_fd(&self) -> PollFd<'_> {
        let flags = if self.unsent.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        PollFd::new(&self.stream, flags)
    }

    /// Returns the status of the answer; `None` before its head is complete.
    pub fn status(&self) -> Option<u16> {
        self.response.status()
    }

    fn write(&mut self) -> Result<(), Error> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return Err(Error::Broken(io::ErrorKind::WriteZero.into())),
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Broken(error)),
            }
        }
        self.unsent = Vec::new();
        Ok(())
    }

    /// Goes on as far as the connection allows. A part of a stream ends a step, so that a container that writes without
    /// a pause does not keep the loop from other things.
    ///
    /// # Errors
    /// Returns [`Error`] if the connection breaks, or the answer is a refusal or none at all.
    pub fn advance(&mut self) -> Result<Progress, Error> {
        self.write()?;
        let mut buffer = [0; 16 << 10];
        let mut part = Vec::new();
        loop {
            let complete = match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.response.end()?;
                    true
                }
                Ok(read) => self.response.push(&buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::Broken(error)),
            };
            let status = self.response.status().unwrap_or_default();
            // A stream that was begun is no refusal any more.
            let is_part = self.is_stream && matches!(status, 101 | 200);
            if is_part {
                part.append(&mut self.response.take_body());
            }
            if complete {
                return self.finish(status, is_part.then_some(part));
            }
            if part.len() >= STEP {
                break;
            }
        }
        Ok(if part.is_empty() { Progress::Waiting } else { Progress::Part(part) })
    }

    fn finish(&mut self, status: u16, part: Option<Vec<u8>>) -> Result<Progress, Error> {
        let body = part.unwrap_or_else(|| self.response.take_body());
        // 304 is the answer to what is so already: a container that runs, or that has stopped.
        match status {
            101 | 200..=299 | 304 => Ok(Progress::Done(Answer { status, body })),
            _ => Err(Error::Refused { status, message: message(status, &body) }),
        }
    }
}
