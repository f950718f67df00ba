//! The bounded queue in front of a core.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use machine::CallResponse;
use model::{ReplyId, StreamId};
use tokio::sync::{Semaphore, oneshot};

use super::thread::{Host, shrink_after_burst};
use crate::http::stream::StreamQueue;
use crate::limits::{MAX_INBOX_KIB, MIN_INPUT_KIB};

/// What a core's thread is given.
pub enum InboxItem<H: Host> {
    /// An input that nobody waits for.
    Input(H::Input),
    /// An input with a caller who waits for the answer.
    Ask {
        /// The id that the core answers to.
        reply: ReplyId,
        /// Where the answer goes.
        to: oneshot::Sender<CallResponse>,
        /// The input, which carries `reply`.
        input: H::Input,
    },
    /// An input that begins an event stream, which the core feeds.
    Open {
        /// The id that the core's events name.
        stream: StreamId,
        /// Where the events go.
        queue: Arc<StreamQueue<H::Event>>,
        /// What the caller is told first.
        ask: StreamOpenReply,
        /// The input, which carries `stream`.
        input: H::Input,
    },
    /// The connection of an event stream has ended.
    StreamClosed(StreamId),
    /// An outgoing connection has ended.
    PeerEnded {
        /// The address of the peer.
        address: SocketAddrV4,
        /// Which of the connections to that address.
        generation: u64,
    },
    /// Work that a host has given to another thread is done.
    HostWork(u64),
    /// The thread is to end.
    Stop,
}

/// What the one who opens a stream is told before anything of the stream.
pub enum StreamOpenReply {
    /// The core's answer.
    CallResponse(ReplyId, oneshot::Sender<CallResponse>),
    /// That the core has seen to it, and that readers see that it has.
    Handled(oneshot::Sender<CallResponse>),
}

/// The bounded queue in front of a core. What waits is bounded in bytes
/// ([`MAX_INBOX_KIB`]), and every input counts at least [`MIN_INPUT_KIB`]; at the bound those who send wait.
pub struct Inbox<H: Host> {
    state: Mutex<InboxState<H>>,
    arrived: Condvar,
    /// A permit for every KiB.
    room: Semaphore,
    next_reply: AtomicU64,
}

struct InboxState<H: Host> {
    items: Vec<InboxItem<H>>,
    /// The permits that they took together.
    permits: usize,
    /// The core thread sleeps.
    asleep: bool,
    /// The core has stopped.
    closed: bool,
}

/// Several items on their way, with what they count.
pub struct InboxBatch<H: Host> {
    items: Vec<InboxItem<H>>,
    costs: Vec<u32>,
}

impl<H: Host> Default for InboxBatch<H> {
    fn default() -> Self {
        InboxBatch { items: Vec::new(), costs: Vec::new() }
    }
}

impl<H: Host> InboxBatch<H> {
    /// Appends an item that came as so many bytes.
    pub fn push(&mut self, item: InboxItem<H>, bytes: usize) {
        self.items.push(item);
        self.costs.push(cost(bytes));
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.items.clear();
        self.costs.clear();
    }

    /// How many of the first items fit into half of the inbox, at least one, and what they count together.
    fn first_part(&self) -> (usize, u32) {
        let mut total = 0;
        for (count, cost) in self.costs.iter().enumerate() {
            if count > 0 && total + cost > MAX_INBOX_KIB as u32 / 2 {
                return (count, total);
            }
            total += cost;
        }
        (self.costs.len(), total)
    }
}

/// What an input of so many bytes counts, in KiB: never more than there is room for.
fn cost(bytes: usize) -> u32 {
    bytes.div_ceil(1024).clamp(MIN_INPUT_KIB, MAX_INBOX_KIB) as u32
}

/// The core has stopped: the process is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shutting down")]
pub struct Stopped;

impl<H: Host> Inbox<H> {
    /// An empty inbox.
    pub fn new() -> Arc<Self> {
        let state = InboxState { items: Vec::new(), permits: 0, asleep: false, closed: false };
        Arc::new(Inbox {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            room: Semaphore::new(MAX_INBOX_KIB),
            next_reply: AtomicU64::new(1),
        })
    }

    /// Waits for room, then queues an item that came as so many bytes.
    ///
    /// # Errors
    /// When the core has stopped.
    pub async fn send(&self, item: InboxItem<H>, bytes: usize) -> Result<(), Stopped> {
        let cost = cost(bytes);
        self.room.acquire_many(cost).await.map_err(|_| Stopped)?.forget();
        self.put(cost, |queue| queue.push(item))
    }

    /// Queues several items at once, as far as there is room for them; empties `batch`.
    ///
    /// # Errors
    /// When the core has stopped.
    pub async fn send_all(&self, batch: &mut InboxBatch<H>) -> Result<(), Stopped> {
        while !batch.items.is_empty() {
            let (count, cost) = batch.first_part();
            self.room.acquire_many(cost).await.map_err(|_| Stopped)?.forget();
            batch.costs.drain(..count);
            self.put(cost, |queue| queue.extend(batch.items.drain(..count)))?;
        }
        Ok(())
    }

    /// Sends an input that came as so many bytes, and waits for the answer, which `make` gets an id for.
    ///
    /// # Errors
    /// When the core has stopped.
    pub async fn ask(&self, bytes: usize, make: impl FnOnce(ReplyId) -> H::Input) -> Result<CallResponse, Stopped> {
        let (reply, to, answer) = self.reply();
        self.send(InboxItem::Ask { reply, to, input: make(reply) }, bytes).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// The id of an answer to come, and both ends of its way.
    pub fn reply(&self) -> (ReplyId, oneshot::Sender<CallResponse>, oneshot::Receiver<CallResponse>) {
        let (to, answer) = oneshot::channel();
        (ReplyId(self.next_reply.fetch_add(1, Ordering::Relaxed)), to, answer)
    }

    /// Queues what must not wait: at most one item per open stream, link, worker or signal, so that its number is
    /// bounded by theirs.
    pub fn send_control(&self, item: InboxItem<H>) {
        // A core that has stopped needs no news.
        let _ = self.put(0, |queue| queue.push(item));
    }

    fn put(&self, permits: u32, fill: impl FnOnce(&mut Vec<InboxItem<H>>)) -> Result<(), Stopped> {
        let wake = {
            let mut state = self.lock();
            if state.closed {
                return Err(Stopped);
            }
            state.permits += permits as usize;
            fill(&mut state.items);
            std::mem::take(&mut state.asleep)
        };
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Swaps what waits into `batch`, which is empty; returns without any at `deadline`.
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

    pub(crate) fn close(&self) {
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

#[cfg(test)]
mod tests {
    use messages::v1;
    use model::Now;

    use super::*;
    use crate::core_thread::effect_handler::EffectHandler;

    struct NoHost;

    impl Host for NoHost {
        type Input = u32;
        type Event = Arc<v1::scheduler::Event>;
        type Timer = ();

        fn timer(_: ()) -> u32 {
            0
        }

        fn stream_closed(_: StreamId) -> u32 {
            0
        }

        fn exited(_: SocketAddrV4) -> u32 {
            0
        }

        fn step(&mut self, _: Now, _: u32, _: &mut EffectHandler<Self>) {}

        fn publish(&mut self) {}
    }

    /// Whether `bytes` more can be queued now.
    fn check(inbox: &Inbox<NoHost>, bytes: usize, fits: bool) {
        let mut send = std::pin::pin!(inbox.send(InboxItem::Input(1), bytes));
        let polled = send.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert_eq!(polled.is_ready(), fits, "{bytes} bytes");
    }

    #[test]
    fn bytes_are_bounded_and_given_back_when_taken() {
        let (inbox, mut batch) = (Inbox::<NoHost>::new(), Vec::new());
        for _ in 0..2 {
            for _ in 0..7 {
                check(&inbox, 64 * 1024 * 1024, true);
            }
            check(&inbox, 64 * 1024 * 1024 - 1, true);
            check(&inbox, 1, false);
            inbox.take(&mut batch, None);
            assert_eq!(batch.len(), 8);
            batch.clear();
        }
    }

    #[test]
    fn small_inputs_are_bounded_in_number() {
        let inbox = Inbox::<NoHost>::new();
        for _ in 0..MAX_INBOX_KIB / MIN_INPUT_KIB {
            check(&inbox, 1, true);
        }
        check(&inbox, 0, false);
    }

    #[test]
    fn a_large_batch_goes_in_parts_that_fit() {
        let mut batch = InboxBatch::<NoHost>::default();
        for bytes in [64 << 20; 9] {
            batch.push(InboxItem::Input(1), bytes);
        }
        assert_eq!(batch.first_part(), (4, 4 * 64 * 1024));
        let mut huge = InboxBatch::<NoHost>::default();
        huge.push(InboxItem::Input(1), usize::MAX);
        assert_eq!(huge.first_part(), (1, MAX_INBOX_KIB as u32));
    }
}
