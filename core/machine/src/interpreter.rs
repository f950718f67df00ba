//! The trait that carries out effects. Hosts with sockets, the simulator and tests implement it, so an effect that is
//! added to the machine cannot be forgotten by one of them.

use std::net::SocketAddrV4;
use std::sync::Arc;

use messages::Message;
use model::{Monotonic, ReplyId, StreamId, Upid};

use crate::call_response::CallResponse;
use crate::effect::{Effect, EffectTypes, StoreToken};
use crate::outbox::Outbox;

/// Carries out the effects of a machine. Each method does what the variant of [`Effect`] of the same name says.
pub trait Interpreter<T: EffectTypes> {
    /// Responds to a request.
    fn reply(&mut self, reply: ReplyId, response: CallResponse);
    /// Puts an event on a stream.
    fn event(&mut self, stream: StreamId, event: T::StreamEvent);
    /// Ends a stream after the events before it.
    fn close_stream(&mut self, stream: StreamId);
    /// Sends a libprocess message.
    fn send(&mut self, from: Arc<str>, to: Upid, message: Message);
    /// Keeps a connection and reports when it breaks.
    fn link(&mut self, address: SocketAddrV4);
    /// Gives up a connection.
    fn unlink(&mut self, address: SocketAddrV4);
    /// Sets the deadline of a timer.
    fn arm(&mut self, timer: T::Timer, at: Monotonic);
    /// Cancels a timer.
    fn disarm(&mut self, timer: T::Timer);
    /// Makes a record durable.
    fn store(&mut self, token: StoreToken, record: T::Record);
    /// Tells readers about a change.
    fn publish(&mut self, change: T::Change);
    /// Carries out a command, which only this machine has.
    fn command(&mut self, command: T::Command);

    /// Carries out one effect.
    fn interpret(&mut self, effect: Effect<T>) {
        match effect {
            Effect::Reply { reply, response } => self.reply(reply, response),
            Effect::Event { stream, event } => self.event(stream, event),
            Effect::CloseStream(stream) => self.close_stream(stream),
            Effect::Send { from, to, message } => self.send(from, to, message),
            Effect::Link(address) => self.link(address),
            Effect::Unlink(address) => self.unlink(address),
            Effect::Arm { timer, at } => self.arm(timer, at),
            Effect::Disarm(timer) => self.disarm(timer),
            Effect::Store { token, record } => self.store(token, record),
            Effect::Publish(change) => self.publish(change),
            Effect::Command(command) => self.command(command),
        }
    }

    /// Carries out all effects of an outbox, in order, and leaves it empty.
    fn interpret_all(&mut self, outbox: &mut Outbox<T>) {
        for effect in outbox.drain() {
            self.interpret(effect);
        }
    }
}
