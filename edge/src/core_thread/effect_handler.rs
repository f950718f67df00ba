//! What a host's effects act on: replies pending_replies, open streams, links, timers. Owned by the core thread;
//! tasks are woken at the end of a batch only.

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

pub struct EffectHandler<H: Host> {
    pub timers: Timers<H::Timer>,
    pub links: Links<H>,
    inbox: Arc<Inbox<H>>,
    pending_replies: FxHashMap<ReplyId, oneshot::Sender<CallResponse>>,
    answers: Vec<(oneshot::Sender<CallResponse>, CallResponse)>,
    streams: FxHashMap<StreamId, Arc<StreamQueue<H::Event>>>,
    written: Vec<Arc<StreamQueue<H::Event>>>,
    done: bool,
}

impl<H: Host> EffectHandler<H> {
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

    /// Goes out with the answers, when the changes of this batch are visible.
    pub(crate) fn handled(&mut self, to: oneshot::Sender<CallResponse>) {
        self.answers.push((to, CallResponse::accepted()));
    }

    pub fn reply(&mut self, reply: ReplyId, answer: CallResponse) {
        match self.pending_replies.remove(&reply) {
            Some(to) => self.answers.push((to, answer)),
            None if reply == NO_REPLY => {}
            None => error!(?reply, "answer to a request that is owed none"),
        }
    }

    /// A subscriber at the bound of its queue loses its connection; the core hears of it as of any other end.
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

    pub fn close_stream(&mut self, stream: StreamId) {
        if let Some(queue) = self.streams.remove(&stream) {
            queue.finish();
        }
    }

    pub fn send(&mut self, from: &Arc<str>, to: Upid, message: Message) {
        self.links.send(from, to, message);
    }

    pub fn link(&mut self, address: SocketAddrV4) {
        self.links.link(address);
    }

    pub fn unlink(&mut self, address: SocketAddrV4) {
        self.links.unlink(address);
    }

    pub fn arm(&mut self, timer: H::Timer, at: Monotonic) {
        self.timers.arm(timer, at);
    }

    pub fn disarm(&mut self, timer: &H::Timer) {
        self.timers.disarm(timer);
    }

    /// End the core's thread after this batch.
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

    /// Whether the stream was still open.
    pub(crate) fn remove_stream(&mut self, stream: StreamId) -> bool {
        self.streams.remove(&stream).is_some()
    }

    pub(crate) fn flush(&mut self) {
        self.links.flush();
        for queue in self.written.drain(..) {
            queue.wake();
        }
        for (to, answer) in self.answers.drain(..) {
            // Whoever asked may have hung up.
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
