//! The thread that runs one core: takes mail in batches, steps the core for each, carries out the effects
//! that concern the edge, and wakes every task concerned once per batch.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use machine::CallResponse;
use model::{Monotonic, Now, ReplyId, StreamId, Timestamp};
use tokio::sync::{Semaphore, oneshot};

use super::effect_handler::EffectHandler;
use crate::http::stream::StreamQueue;
use crate::limits::{MAX_BATCH, MAX_INBOX};

/// What hosts a core: turns mail into steps, and the core's effects into calls of the [`EffectHandler`].
pub trait Host: Sized + Send + 'static {
    type Input: Send + 'static;
    /// Of the HTTP event streams that the core feeds.
    type Event: Send + 'static;
    type Timer: Ord + Clone + Send + 'static;

    fn timer(timer: Self::Timer) -> Self::Input;
    fn stream_closed(stream: StreamId) -> Self::Input;
    fn exited(address: SocketAddrV4) -> Self::Input;

    fn step(&mut self, now: Now, input: Self::Input, effects: &mut EffectHandler<Self>);

    /// Whether the core may go on. When it may not, nothing of it goes out any more and its thread ends.
    fn may_act(&self) -> bool {
        true
    }

    /// The batch is over: make its changes visible before anybody is answered.
    fn publish(&mut self);
}

pub enum InboxItem<H: Host> {
    Input(H::Input),
    /// An answer is owed.
    Ask {
        reply: ReplyId,
        to: oneshot::Sender<CallResponse>,
        input: H::Input,
    },
    /// The core will feed this stream.
    Open {
        stream: StreamId,
        queue: Arc<StreamQueue<H::Event>>,
        ask: StreamOpenReply,
        input: H::Input,
    },
    StreamClosed(StreamId),
    PeerEnded {
        address: SocketAddrV4,
        generation: u64,
    },
    Stop,
}

/// What the one who opens a stream is told before anything of the stream.
pub enum StreamOpenReply {
    /// The core's answer.
    CallResponse(ReplyId, oneshot::Sender<CallResponse>),
    /// That the core has seen to it, and that readers see that it has.
    Handled(oneshot::Sender<CallResponse>),
}

/// The bounded queue in front of a core.
pub struct Inbox<H: Host> {
    state: Mutex<InboxState<H>>,
    arrived: Condvar,
    room: Semaphore,
    next_reply: AtomicU64,
}

struct InboxState<H: Host> {
    items: Vec<InboxItem<H>>,
    /// How many of them took a permit.
    permits: usize,
    /// The core thread sleeps.
    asleep: bool,
    /// The core has stopped.
    closed: bool,
}

/// The core has stopped: the process is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shutting down")]
pub struct Stopped;

impl<H: Host> Inbox<H> {
    pub fn new() -> Arc<Self> {
        let state = InboxState { items: Vec::new(), permits: 0, asleep: false, closed: false };
        Arc::new(Inbox {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            room: Semaphore::new(MAX_INBOX),
            next_reply: AtomicU64::new(1),
        })
    }

    /// Waits for room, then queues.
    pub async fn send(&self, items: InboxItem<H>) -> Result<(), Stopped> {
        self.room.acquire().await.map_err(|_| Stopped)?.forget();
        self.put(1, |queue| queue.push(items))
    }

    /// Several pieces in one hand-off; empties `items`.
    pub async fn send_all(&self, items: &mut Vec<InboxItem<H>>) -> Result<(), Stopped> {
        while !items.is_empty() {
            let count = items.len().min(MAX_INBOX / 2);
            self.room.acquire_many(count as u32).await.map_err(|_| Stopped)?.forget();
            self.put(count, |queue| queue.extend(items.drain(..count)))?;
        }
        Ok(())
    }

    /// Sends and waits for the answer, which `make` gets an id for.
    pub async fn ask(&self, make: impl FnOnce(ReplyId) -> H::Input) -> Result<CallResponse, Stopped> {
        let (reply, to, answer) = self.reply();
        self.send(InboxItem::Ask { reply, to, input: make(reply) }).await?;
        answer.await.map_err(|_| Stopped)
    }

    pub fn reply(&self) -> (ReplyId, oneshot::Sender<CallResponse>, oneshot::Receiver<CallResponse>) {
        let (to, answer) = oneshot::channel();
        (ReplyId(self.next_reply.fetch_add(1, Ordering::Relaxed)), to, answer)
    }

    /// For what must not wait: at most one piece per open stream, link, worker or signal, so its number is bounded
    /// by theirs.
    pub fn send_control(&self, items: InboxItem<H>) {
        // A core that has stopped needs no news.
        let _ = self.put(0, |queue| queue.push(items));
    }

    fn put(&self, permits: usize, fill: impl FnOnce(&mut Vec<InboxItem<H>>)) -> Result<(), Stopped> {
        let wake = {
            let mut state = self.lock();
            if state.closed {
                return Err(Stopped);
            }
            state.permits += permits;
            fill(&mut state.items);
            std::mem::take(&mut state.asleep)
        };
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Swaps the waiting mail into `batch`, which is empty; returns without any at `deadline`.
    pub fn take(&self, batch: &mut Vec<InboxItem<H>>, deadline: Option<Instant>) {
        shrink_after_burst(batch);
        let mut state = self.lock();
        while state.items.is_empty() {
            let remaining = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if remaining == Some(Duration::ZERO) {
                return;
            }
            state.asleep = true;
            state = match remaining {
                Some(remaining) => {
                    self.arrived.wait_timeout(state, remaining).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.asleep = false;
        }
        std::mem::swap(&mut state.items, batch);
        self.room.add_permits(std::mem::take(&mut state.permits));
    }

    fn close(&self) {
        let items = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.items)
        };
        self.room.close();
        drop(items);
    }

    fn lock(&self) -> MutexGuard<'_, InboxState<H>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back the memory of a burst; what ordinary batches need stays.
pub fn shrink_after_burst<T>(emptied: &mut Vec<T>) {
    if emptied.capacity() > 4 * MAX_BATCH {
        emptied.shrink_to(MAX_BATCH);
    }
}

/// Reads both clocks of a step.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Clock { start: Instant::now() }
    }

    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic: Monotonic::from_start(self.start.elapsed()),
            wall: Timestamp::from_nanos(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    fn instant(&self, at: Monotonic) -> Instant {
        self.start + at.since_start()
    }
}

/// Runs `host` until `InboxItem::Stop`. `name` is the thread's.
pub fn spawn<H: Host>(
    name: &str,
    inbox: Arc<Inbox<H>>,
    clock: Clock,
    mut host: H,
    mut effects: EffectHandler<H>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut batch = Vec::new();
        let mut stopped = false;
        while !stopped {
            let deadline = effects.timers.next().map(|at| clock.instant(at));
            inbox.take(&mut batch, deadline);
            let mut items = batch.drain(..);
            loop {
                // Before the steps, and again before what they have decided goes out.
                stopped |= !host.may_act();
                if stopped {
                    break;
                }
                let now = clock.now();
                while let Some(timer) = effects.timers.pop_due(now.monotonic) {
                    host.step(now, H::timer(timer), &mut effects);
                }
                for items in items.by_ref().take(MAX_BATCH) {
                    stopped |= deliver(items, now, &mut host, &mut effects);
                }
                if !host.may_act() {
                    stopped = true;
                    break;
                }
                host.publish();
                effects.flush();
                stopped |= effects.is_done();
                if stopped || items.len() == 0 {
                    break;
                }
            }
        }
        inbox.close();
        effects.close();
        // Says that everything is over.
        drop(host);
    })
}

fn deliver<H: Host>(items: InboxItem<H>, now: Now, host: &mut H, effects: &mut EffectHandler<H>) -> bool {
    match items {
        InboxItem::Input(input) => host.step(now, input, effects),
        InboxItem::Ask { reply, to, input } => {
            effects.add_pending_reply(reply, to);
            host.step(now, input, effects);
        }
        InboxItem::Open { stream, queue, ask, input } => {
            effects.open(stream, queue);
            match ask {
                StreamOpenReply::CallResponse(reply, to) => {
                    effects.add_pending_reply(reply, to);
                    host.step(now, input, effects);
                }
                StreamOpenReply::Handled(to) => {
                    host.step(now, input, effects);
                    effects.handled(to);
                }
            }
        }
        InboxItem::StreamClosed(stream) => {
            if effects.remove_stream(stream) {
                host.step(now, H::stream_closed(stream), effects);
            }
        }
        InboxItem::PeerEnded { address, generation } => {
            if effects.links.ended(address, generation) {
                host.step(now, H::exited(address), effects);
            }
        }
        InboxItem::Stop => return true,
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_memory_of_a_burst_is_given_back() {
        for (burst, stays) in [(MAX_BATCH, true), (100 * MAX_BATCH, false)] {
            let mut batch: Vec<usize> = Vec::with_capacity(burst);
            shrink_after_burst(&mut batch);
            assert_eq!(batch.capacity() >= burst, stays, "{burst}");
        }
    }
}
