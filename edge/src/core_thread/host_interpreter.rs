//! Carries out the effects of a hosted core: what concerns connections by the [`EffectHandler`], the rest by the host.

use std::net::SocketAddrV4;
use std::sync::Arc;

use machine::{CallResponse, EffectTypes, Interpreter, StoreToken};
use messages::Message;
use model::{Monotonic, ReplyId, StreamId, Upid};

use super::Host;
use super::effect_handler::EffectHandler;

/// What a host does itself of the effects of its core.
pub trait EffectHost: Host {
    /// The effects of its core.
    type Effects: EffectTypes<Timer = Self::Timer, StreamEvent = Self::Event>;

    /// Makes a record durable.
    fn store(&mut self, token: StoreToken, record: <Self::Effects as EffectTypes>::Record);

    /// Keeps a change for the readers until the end of the batch.
    fn publish_change(&mut self, change: <Self::Effects as EffectTypes>::Change);

    /// Does what only this core asks for.
    fn command(&mut self, command: <Self::Effects as EffectTypes>::Command, effects: &mut EffectHandler<Self>);

    /// Puts an event on a stream.
    fn event(&mut self, stream: StreamId, event: Self::Event, effects: &mut EffectHandler<Self>) {
        effects.event(stream, event);
    }

    /// Ends a stream after the events before it.
    fn close_stream(&mut self, stream: StreamId, effects: &mut EffectHandler<Self>) {
        effects.close_stream(stream);
    }

    /// Sends a libprocess message.
    fn send(&mut self, from: Arc<str>, to: Upid, message: Message, effects: &mut EffectHandler<Self>) {
        effects.send(&from, to, message);
    }

    /// Is called before a timer gets a deadline.
    fn timer_armed(&mut self, _timer: &Self::Timer, _at: Monotonic) {}
}

/// The interpreter of a hosted core's effects.
pub struct HostInterpreter<'a, H: Host> {
    /// The host.
    pub host: &'a mut H,
    /// Its connections, streams and timers.
    pub effects: &'a mut EffectHandler<H>,
}

impl<H: EffectHost> Interpreter<H::Effects> for HostInterpreter<'_, H> {
    fn reply(&mut self, reply: ReplyId, response: CallResponse) {
        self.effects.reply(reply, response);
    }

    fn event(&mut self, stream: StreamId, event: H::Event) {
        self.host.event(stream, event, self.effects);
    }

    fn close_stream(&mut self, stream: StreamId) {
        self.host.close_stream(stream, self.effects);
    }

    fn send(&mut self, from: Arc<str>, to: Upid, message: Message) {
        self.host.send(from, to, message, self.effects);
    }

    fn link(&mut self, address: SocketAddrV4) {
        self.effects.link(address);
    }

    fn unlink(&mut self, address: SocketAddrV4) {
        self.effects.unlink(address);
    }

    fn arm(&mut self, timer: H::Timer, at: Monotonic) {
        self.host.timer_armed(&timer, at);
        self.effects.arm(timer, at);
    }

    fn disarm(&mut self, timer: H::Timer) {
        self.effects.disarm(&timer);
    }

    fn store(&mut self, token: StoreToken, record: <H::Effects as EffectTypes>::Record) {
        self.host.store(token, record);
    }

    fn publish(&mut self, change: <H::Effects as EffectTypes>::Change) {
        self.host.publish_change(change);
    }

    fn command(&mut self, command: <H::Effects as EffectTypes>::Command) {
        self.host.command(command, self.effects);
    }
}
