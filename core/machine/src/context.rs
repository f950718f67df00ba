//! The context of a step: its time, and the way to emit effects.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use messages::Message;
use model::{Monotonic, Now, ReplyId, StreamId, Upid};

use crate::call_response::CallResponse;
use crate::effect::{Effect, EffectTypes, StoreToken};
use crate::outbox::Outbox;

/// The context of one step.
#[derive(Debug)]
pub struct Context<'a, T: EffectTypes> {
    /// The time of the step.
    pub now: Now,
    /// The id of the machine's own libprocess process, e.g. `master` or `slave(1)`.
    process: &'a Arc<str>,
    out: &'a mut Outbox<T>,
}

impl<'a, T: EffectTypes> Context<'a, T> {
    /// Creates the context of a step at `now` whose effects go to `out`.
    pub fn new(now: Now, process: &'a Arc<str>, out: &'a mut Outbox<T>) -> Self {
        Context { now, process, out }
    }

    /// Responds to a request.
    pub fn reply(&mut self, reply: ReplyId, response: CallResponse) {
        self.out.push(Effect::Reply { reply, response });
    }

    /// Puts an event on a stream.
    pub fn event(&mut self, stream: StreamId, event: impl Into<T::StreamEvent>) {
        self.out.push(Effect::Event { stream, event: event.into() });
    }

    /// Ends a stream after the events before it.
    pub fn close_stream(&mut self, stream: StreamId) {
        self.out.push(Effect::CloseStream(stream));
    }

    /// Sends a libprocess message from the machine's own process.
    pub fn send(&mut self, to: &Upid, message: impl Into<Message>) {
        let from = self.process.clone();
        self.send_from(&from, to, message);
    }

    /// Sends a libprocess message from another process of the machine, e.g. `slave-observer(7)`.
    pub fn send_from(&mut self, from: &Arc<str>, to: &Upid, message: impl Into<Message>) {
        self.out.push(Effect::Send { from: from.clone(), to: to.clone(), message: message.into() });
    }

    /// Keeps a connection to this address and reports when it breaks.
    pub fn link(&mut self, address: SocketAddrV4) {
        self.out.push(Effect::Link(address));
    }

    /// Gives up the connection to this address.
    pub fn unlink(&mut self, address: SocketAddrV4) {
        self.out.push(Effect::Unlink(address));
    }

    /// Sets the deadline of a timer.
    pub fn arm(&mut self, timer: T::Timer, at: Monotonic) {
        self.out.push(Effect::Arm { timer, at });
    }

    /// Sets the deadline of a timer, counted from now.
    pub fn arm_after(&mut self, timer: T::Timer, after: Duration) {
        self.arm(timer, self.now.monotonic + after);
    }

    /// Cancels a timer.
    pub fn disarm(&mut self, timer: T::Timer) {
        self.out.push(Effect::Disarm(timer));
    }

    /// Makes a record durable; the input that confirms it names `token`.
    pub fn store(&mut self, token: StoreToken, record: T::Record) {
        self.out.push(Effect::Store { token, record });
    }

    /// Tells readers about a change.
    pub fn publish(&mut self, change: T::Change) {
        self.out.push(Effect::Publish(change));
    }

    /// Emits a command, which only this machine has.
    pub fn command(&mut self, command: impl Into<T::Command>) {
        self.out.push(Effect::Command(command.into()));
    }

    /// Reserves memory for this many effects: a step may make ten thousand offers.
    pub fn reserve(&mut self, effects: usize) {
        self.out.reserve(effects);
    }
}
