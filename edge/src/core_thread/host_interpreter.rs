//! Carries out the effects of a hosted core: the [`EffectHandler`] carries out those that concern connections, and the
//! host the others.

use std::net::SocketAddrV4;
use std::sync::Arc;

use machine::{CallResponse, EffectTypes, Interpreter, StoreToken};
use messages::Message;
use model::{Monotonic, ReplyId, StreamId, Upid};

use super::Host;
use super::effect_handler::EffectHandler;

/// The effects of a core that its host carries out itself.
pub trait EffectHost: Host {
    /// The effect types of the core.
    type Effects: EffectTypes<Timer = Self::Timer, StreamEvent = Self::Event>;

    /// Makes a record durable.
    fn store(&mut self, token: StoreToken, record: <Self::Effects as EffectTypes>::Record);

    /// Collects a change that readers see at the end of the batch.
    fn publish_change(&mut self, change: <Self::Effects as EffectTypes>::Change);

    /// Carries out a command that only this core has.
    fn command(&mut self, command: <Self::Effects as EffectTypes>::Command, effects: &mut EffectHandler<Self>);

    /// Appends an event to a stream.
    fn event(&mut self, stream: StreamId, event: Self::Event, effects: &mut EffectHandler<Self>) {
        effects.event(stream, event);
    }

    /// Ends a stream after the events that are queued.
    fn close_stream(&mut self, stream: StreamId, effects: &mut EffectHandler<Self>) {
        effects.close_stream(stream);
    }

    /// Sends a libprocess message.
    fn send(&mut self, from: Arc<str>, to: Upid, message: Message, effects: &mut EffectHandler<Self>) {
        effects.send(&from, to, message);
    }

    /// Called before a timer gets a deadline.
    fn timer_armed(&mut self, _timer: &Self::Timer, _at: Monotonic) {}
}

/// The interpreter of a hosted core's effects.
pub struct HostInterpreter<'a, H: Host> {
    /// The host.
    pub host: &'a mut H,
    /// The connections, streams and timers of the core.
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
