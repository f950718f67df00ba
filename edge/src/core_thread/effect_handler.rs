//! The targets of a host's effects: pending replies, open streams, links and timers. The core's thread owns them, and
//! wakes tasks only at the end of a batch.

use std::net::SocketAddrV4;
use std::sync::Arc;

use machine::CallResponse;
use messages::Message;
use model::{Monotonic, ReplyId, StreamId, Upid};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tracing::{error, warn};
use wire::StreamEvent;

use super::inbox::{Inbox, InboxItem};
use super::queue::Pushed;
use super::thread::Host;
use super::timers::Timers;
use crate::http::stream::StreamQueue;
use crate::libprocess::links::Links;

/// The id of a request that has been answered already.
pub const NO_REPLY: ReplyId = ReplyId(0);

/// The pending replies, streams, links and timers of one core.
pub struct EffectHandler<H: Host> {
    /// The armed timers of the core.
    pub timers: Timers<H::Timer>,
    /// The outgoing connections of the core.
    pub links: Links<H>,
    inbox: Arc<Inbox<H>>,
    pending_replies: FxHashMap<ReplyId, oneshot::Sender<CallResponse>>,
    answers: Vec<(oneshot::Sender<CallResponse>, CallResponse)>,
    streams: FxHashMap<StreamId, Arc<StreamQueue<H::Event>>>,
    written: Vec<Arc<StreamQueue<H::Event>>>,
    done: bool,
}

impl<H: Host> EffectHandler<H> {
    /// Makes a handler without replies, streams and timers, for the core behind `inbox`.
    pub fn new(inbox: Arc<Inbox<H>>, links: Links<H>) -> Self {
        EffectHandler {
            timers: Timers::new(),
            links,
            inbox,
            pending_replies: FxHashMap::default(),
            answers: Vec::new(),
            streams: FxHashMap::default(),
            written: Vec::new(),
            done: false,
        }
    }

    /// Answers 202 at the end of the batch, when its changes are visible to readers.
    pub(crate) fn handled(&mut self, to: oneshot::Sender<CallResponse>) {
        self.answers.push((to, CallResponse::accepted()));
    }

    /// Answers a request. The response goes out at the end of the batch. [`NO_REPLY`] is ignored.
    pub fn reply(&mut self, reply: ReplyId, answer: CallResponse) {
        match self.pending_replies.remove(&reply) {
            Some(to) => self.answers.push((to, answer)),
            None if reply == NO_REPLY => {}
            None => error!(?reply, "the core answered a request that is not pending"),
        }
    }

    /// Appends an event to a stream. A subscriber whose queue is full loses its connection; the core is informed as
    /// after any other end of a stream.
    pub fn event(&mut self, stream: StreamId, event: H::Event) {
        let Some(queue) = self.streams.get(&stream) else { return };
        let bytes = event.size();
        match queue.push(event, bytes) {
            Pushed::First => self.written.push(queue.clone()),
            Pushed::Behind => {}
            Pushed::Full => {
                warn!(%stream, "closing the event stream of a subscriber that does not read");
                queue.kill();
                self.inbox.send_control(InboxItem::StreamClosed(stream));
            }
            Pushed::Closed => {}
        }
    }

    /// Ends a stream after the events that are queued.
    pub fn close_stream(&mut self, stream: StreamId) {
        if let Some(queue) = self.streams.remove(&stream) {
            queue.finish();
        }
    }

    /// Sends a libprocess message of the process `from`.
    pub fn send(&mut self, from: &Arc<str>, to: Upid, message: Message) {
        self.links.send(from, to, message);
    }

    /// Opens a link to an address and watches it (`ProcessBase::link` of libprocess).
    pub fn link(&mut self, address: SocketAddrV4) {
        self.links.link(address);
    }

    /// Stops watching a link. Queued messages are still sent.
    pub fn unlink(&mut self, address: SocketAddrV4) {
        self.links.unlink(address);
    }

    /// Sets the deadline of a timer, in place of an earlier one.
    pub fn arm(&mut self, timer: H::Timer, at: Monotonic) {
        self.timers.arm(timer, at);
    }

    /// Removes the deadline of a timer.
    pub fn disarm(&mut self, timer: &H::Timer) {
        self.timers.disarm(timer);
    }

    /// Ends the core's thread after this batch.
    pub fn finish(&mut self) {
        self.done = true;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    pub(crate) fn add_pending_reply(&mut self, reply: ReplyId, to: oneshot::Sender<CallResponse>) {
        self.pending_replies.insert(reply, to);
    }

    pub(crate) fn open(&mut self, stream: StreamId, queue: Arc<StreamQueue<H::Event>>) {
        self.streams.insert(stream, queue);
    }

    /// Removes a stream and returns whether it was still open.
    pub(crate) fn remove_stream(&mut self, stream: StreamId) -> bool {
        self.streams.remove(&stream).is_some()
    }

    pub(crate) fn flush(&mut self) {
        self.links.flush();
        for queue in self.written.drain(..) {
            queue.wake();
        }
        for (to, answer) in self.answers.drain(..) {
            // The receiver may have been dropped because the client has disconnected.
            let _ = to.send(answer);
        }
    }

    pub(crate) fn close(&mut self) {
        for queue in self.streams.values() {
            queue.finish();
        }
        self.links.close();
    }
}
