//! The interpreter of effects that carries nothing out and records everything.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;
use std::sync::Arc;

use machine::{CallResponse, Effect, EffectTypes, Interpreter, StoreToken};
use messages::Message;
use model::{Monotonic, ReplyId, StreamId, Upid};

/// Records effects and the state that results from them: timers that are set, records that are not durable yet,
/// responses.
#[derive(Debug)]
pub struct RecordingInterpreter<T: EffectTypes> {
    /// All effects since the test took or cleared them, in order.
    pub effects: Vec<Effect<T>>,
    /// The changes among them.
    pub changes: Vec<T::Change>,
    /// The timers that are set.
    pub timers: BTreeMap<T::Timer, Monotonic>,
    /// The records that are not durable yet, the oldest first.
    pub pending_stores: VecDeque<(StoreToken, T::Record)>,
    /// The responses to each request. A correct machine gives one.
    pub replies: BTreeMap<ReplyId, Vec<CallResponse>>,
}

impl<T: EffectTypes> Default for RecordingInterpreter<T> {
    fn default() -> Self {
        RecordingInterpreter {
            effects: Vec::new(),
            changes: Vec::new(),
            timers: BTreeMap::new(),
            pending_stores: VecDeque::new(),
            replies: BTreeMap::new(),
        }
    }
}

impl<T: EffectTypes> RecordingInterpreter<T> {
    /// Returns the libprocess messages among the effects: the sending process, the receiver and the message.
    pub fn sent(&self) -> impl DoubleEndedIterator<Item = (&Arc<str>, &Upid, &Message)> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Send { from, to, message } => Some((from, to, message)),
            _ => None,
        })
    }

    /// Returns the messages among the effects that go to one peer.
    pub fn sent_to(&self, peer: &Upid) -> Vec<Message> {
        self.sent().filter(|(_, to, _)| *to == peer).map(|(_, _, message)| message.clone()).collect()
    }

    /// Returns the events among the effects that are on this stream.
    pub fn events_on(&self, stream: StreamId) -> impl Iterator<Item = &T::StreamEvent> {
        self.effects.iter().filter_map(move |effect| match effect {
            Effect::Event { stream: on, event } if *on == stream => Some(event),
            _ => None,
        })
    }

    /// Returns the only response to a request.
    ///
    /// # Panics
    ///
    /// Panics if there is no response, or more than one: each request is answered once.
    pub fn response(&self, reply: ReplyId) -> CallResponse {
        match self.responses(reply) {
            [response] => response.clone(),
            responses => panic!("a request is answered once, not by {responses:?}"),
        }
    }

    /// Returns the responses to a request so far.
    pub fn responses(&self, reply: ReplyId) -> &[CallResponse] {
        self.replies.get(&reply).map(Vec::as_slice).unwrap_or_default()
    }

    /// Removes the effects for which `show` returns a line, and returns the lines. The other effects stay.
    pub fn take_lines(&mut self, show: impl Fn(&Effect<T>) -> Option<String>) -> Vec<String> {
        let mut lines = Vec::new();
        self.effects.retain(|effect| match show(effect) {
            Some(line) => {
                lines.push(line);
                false
            }
            None => true,
        });
        lines
    }

    /// Forgets the effects, but not the state that results from them.
    pub fn clear(&mut self) {
        self.effects.clear();
        self.changes.clear();
    }
}

impl<T: EffectTypes> Interpreter<T> for RecordingInterpreter<T> {
    fn reply(&mut self, reply: ReplyId, response: CallResponse) {
        self.replies.entry(reply).or_default().push(response.clone());
        self.effects.push(Effect::Reply { reply, response });
    }

    fn event(&mut self, stream: StreamId, event: T::StreamEvent) {
        self.effects.push(Effect::Event { stream, event });
    }

    fn close_stream(&mut self, stream: StreamId) {
        self.effects.push(Effect::CloseStream(stream));
    }

    fn send(&mut self, from: Arc<str>, to: Upid, message: Message) {
        self.effects.push(Effect::Send { from, to, message });
    }

    fn link(&mut self, address: SocketAddrV4) {
        self.effects.push(Effect::Link(address));
    }

    fn unlink(&mut self, address: SocketAddrV4) {
        self.effects.push(Effect::Unlink(address));
    }

    fn arm(&mut self, timer: T::Timer, at: Monotonic) {
        self.timers.insert(timer.clone(), at);
        self.effects.push(Effect::Arm { timer, at });
    }

    fn disarm(&mut self, timer: T::Timer) {
        self.timers.remove(&timer);
        self.effects.push(Effect::Disarm(timer));
    }

    fn store(&mut self, token: StoreToken, record: T::Record) {
        self.pending_stores.push_back((token, record.clone()));
        self.effects.push(Effect::Store { token, record });
    }

    fn publish(&mut self, change: T::Change) {
        self.changes.push(change.clone());
        self.effects.push(Effect::Publish(change));
    }

    fn command(&mut self, command: T::Command) {
        self.effects.push(Effect::Command(command));
    }
}
