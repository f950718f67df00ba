//! The requests to Docker that are in flight. Each has a connection of its own, so that a wait delays nothing; the loop of
//! the executor polls them all.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use docker::{Answer, Error, Exchange, Progress, Request, Socket};
use rustix::event::PollFd;

use super::container::Purpose;
use super::exec_check::ExecStep;
use crate::checks::Checker;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The container.
    Container(Purpose),
    /// A check of it.
    Check(Checker, ExecStep),
}

impl Key {
    fn is_stream(self) -> bool {
        matches!(self, Key::Container(Purpose::Attach | Purpose::Logs) | Key::Check(_, ExecStep::Start))
    }
}

/// Something that has come from Docker.
#[derive(Debug)]
pub enum Arrival {
    /// The head of an answer whose body takes longer.
    Head,
    /// A part of a stream.
    Part(Vec<u8>),
    /// The whole answer.
    Reply(Result<Answer, Error>),
}

#[derive(Debug)]
struct InFlight {
    exchange: Exchange,
    deadline: Option<(Instant, Duration)>,
    head_told: bool,
}

/// The requests in flight.
#[derive(Debug)]
pub struct Requests {
    socket: Socket,
    open: BTreeMap<Key, InFlight>,
}

impl Requests {
    /// Makes an empty set.
    pub fn new(socket: Socket) -> Self {
        Requests { socket, open: BTreeMap::new() }
    }

    /// Sends a request, in place of one for the same purpose. Returns its failure if the daemon cannot be reached.
    pub fn begin(&mut self, key: Key, request: &Request, timeout: Option<Duration>) -> Option<Error> {
        self.open.remove(&key);
        let exchange = match key.is_stream() {
            true => Exchange::begin_stream(&self.socket, request),
            false => Exchange::begin(&self.socket, request),
        };
        match exchange {
            Ok(exchange) => {
                let deadline = timeout.map(|timeout| (Instant::now() + timeout, timeout));
                self.open.insert(key, InFlight { exchange, deadline, head_told: false });
                None
            }
            Err(error) => Some(error),
        }
    }

    /// Closes the connections of a check.
    pub fn cancel_check(&mut self, checker: Checker) {
        self.open.retain(|key, _| !matches!(key, Key::Check(other, _) if *other == checker));
    }

    /// Returns what to poll, in the order of `ready`.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.open.values().map(|in_flight| in_flight.exchange.poll_fd())
    }

    /// Returns the time of the next failure for lack of an answer.
    pub fn deadline(&self) -> Option<Instant> {
        self.open.values().filter_map(|in_flight| in_flight.deadline).map(|(at, _)| at).min()
    }

    /// Continues the requests whose connections are ready, and ends those that are overdue. Returns what has come.
    pub fn advance(&mut self, ready: &[bool]) -> Vec<(Key, Arrival)> {
        let mut arrivals = Vec::new();
        let now = Instant::now();
        for (index, (key, in_flight)) in self.open.iter_mut().enumerate() {
            let is_ready = ready.get(index).copied().unwrap_or_default();
            let progress = if is_ready { in_flight.exchange.advance() } else { Ok(Progress::Waiting) };
            let is_begun = matches!(in_flight.exchange.status(), Some(101 | 200));
            if is_begun && !in_flight.head_told && progress.is_ok() {
                in_flight.head_told = true;
                arrivals.push((*key, Arrival::Head));
            }
            match progress {
                Ok(Progress::Done(answer)) => arrivals.push((*key, Arrival::Reply(Ok(answer)))),
                Ok(Progress::Part(part)) => arrivals.push((*key, Arrival::Part(part))),
                Ok(Progress::Waiting) => {
                    if let Some((_, timeout)) = in_flight.deadline.filter(|(at, _)| *at <= now) {
                        arrivals.push((*key, Arrival::Reply(Err(Error::TimedOut(timeout.as_secs())))));
                    }
                }
                Err(error) => arrivals.push((*key, Arrival::Reply(Err(error)))),
            }
        }
        for (key, arrival) in &arrivals {
            if matches!(arrival, Arrival::Reply(_)) {
                self.open.remove(key);
            }
        }
        arrivals
    }
}
