//! An executor's side of the executor API: the event stream, calls in their order, and attempts to reach a restarting
//! agent.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use messages::v1::executor::{Call, Event};

use crate::connection::{Caller, Error, Subscription};
use crate::environment::Environment;
use crate::write_stderr::write_stderr;

/// The pause between attempts to reach a restarting agent.
const RETRY: Duration = Duration::from_millis(500);
/// The interval of HEARTBEAT calls, as in the Mesos library. They keep idle connections from being closed.
const HEARTBEAT: Duration = Duration::from_secs(30 * 60);
/// The time within which a new agent serves its first executor.
const FIRST: Duration = Duration::from_secs(60);

/// The connections to the executor API.
#[derive(Debug)]
pub struct Subscriber {
    environment: Environment,
    caller: Caller,
    subscription: Option<Subscription>,
    /// The time of the next attempt to subscribe.
    retry_at: Option<Instant>,
    heartbeat_at: Instant,
    /// The calls that a busy agent did not accept, in order, to be sent again. The next SUBSCRIBE would contain each of
    /// them as well.
    refused: VecDeque<Box<Call>>,
    resend_at: Option<Instant>,
}

impl Subscriber {
    /// Subscribes for the first time. A new agent may not serve executors for an instant; any other error is final.
    ///
    /// # Errors
    /// Returns [`Error`] if the agent does not open a stream in time.
    pub fn open(environment: &Environment, subscribe: &Call) -> Result<Self, Error> {
        let give_up = Instant::now() + FIRST;
        let subscription = loop {
            match Subscription::open(environment, subscribe) {
                Err(error) if error.is_transient() && Instant::now() < give_up => std::thread::sleep(RETRY),
                result => break result?,
            }
        };
        Ok(Subscriber {
            environment: environment.clone(),
            caller: Caller::new(environment.clone()),
            subscription: Some(subscription),
            retry_at: None,
            heartbeat_at: Instant::now() + HEARTBEAT,
            refused: VecDeque::new(),
            resend_at: None,
        })
    }

    /// Returns the socket of the event stream, which becomes readable when events arrive; `None` while the agent is
    /// away.
    pub fn socket(&self) -> Option<&TcpStream> {
        self.subscription.as_ref().map(Subscription::socket)
    }

    /// Returns when [`Subscriber::fire_timers`] has something to do.
    pub fn deadline(&self) -> Instant {
        [self.retry_at, self.resend_at].into_iter().flatten().fold(self.heartbeat_at, Instant::min)
    }

    /// Reads what has arrived. Returns false if the event stream is open no more; events may be left in it.
    ///
    /// # Errors
    /// Returns [`Error::Protocol`] if the agent does not speak the executor API.
    pub fn receive(&mut self) -> Result<bool, Error> {
        let Some(subscription) = &mut self.subscription else { return Ok(true) };
        match subscription.receive() {
            Err(error) if error.is_transient() => Ok(false),
            result => result,
        }
    }

    /// Returns the next complete event among the bytes that were read.
    ///
    /// # Errors
    /// Returns [`Error::Protocol`] if the event cannot be decoded.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        match &mut self.subscription {
            Some(subscription) => subscription.next_event(),
            None => Ok(None),
        }
    }

    /// Closes the event stream. The next attempt to subscribe follows at once.
    pub fn close(&mut self) {
        self.subscription = None;
        self.retry_at = Some(Instant::now());
    }

    /// Sends a call. A call that fails is not lost, since it stays unacknowledged and is part of the next SUBSCRIBE. A
    /// busy agent does not end the subscription, so the call is sent again.
    pub fn send(&mut self, call: Box<Call>) {
        if !self.refused.is_empty() {
            self.refused.push_back(call);
            return;
        }
        let Err(error) = self.caller.send(&call) else { return };
        write_stderr(format_args!("executor: the agent did not accept an update: {error}"));
        if error.is_transient() {
            self.refused.push_back(call);
            self.resend_at = Some(Instant::now() + RETRY);
        }
    }

    /// Does what is due: heartbeats, calls that were refused, and attempts to subscribe. Returns whether it has
    /// subscribed.
    pub fn fire_timers(&mut self, subscribe: &dyn Fn() -> Call, heartbeat: &dyn Fn() -> Call) -> bool {
        let now = Instant::now();
        if self.heartbeat_at <= now {
            self.heartbeat_at = now + HEARTBEAT;
            // The result does not matter: a heartbeat only keeps the connection open, and the event stream shows the
            // loss of the agent.
            let _ = self.caller.send(&heartbeat());
        }
        if self.resend_at.is_some_and(|at| at <= now) {
            self.resend();
        }
        if self.retry_at.is_none_or(|at| at > now) {
            return false;
        }
        match Subscription::open(&self.environment, &subscribe()) {
            Ok(subscription) => {
                self.subscription = Some(subscription);
                self.retry_at = None;
                // The SUBSCRIBE call contained these calls.
                self.refused.clear();
                self.resend_at = None;
                true
            }
            Err(_) => {
                self.retry_at = Some(now + RETRY);
                false
            }
        }
    }

    fn resend(&mut self) {
        self.resend_at = None;
        // Without a subscription, the agent has to recover first.
        if self.subscription.is_none() {
            return;
        }
        while let Some(call) = self.refused.front() {
            match self.caller.send(call) {
                Err(error) if error.is_transient() => {
                    self.resend_at = Some(Instant::now() + RETRY);
                    return;
                }
                // A call that the agent refuses now would be refused later, too.
                Ok(()) | Err(_) => drop(self.refused.pop_front()),
            }
        }
    }
}
