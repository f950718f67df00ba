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

/// One item for the core's thread.
pub enum InboxItem<H: Host> {
    /// An input without a caller.
    Input(H::Input),
    /// An input of a caller who waits for the response.
    Ask {
        /// The id that the core's reply names.
        reply: ReplyId,
        /// The receiver of the response.
        to: oneshot::Sender<CallResponse>,
        /// The input, which carries `reply`.
        input: H::Input,
    },
    /// An input that opens an event stream.
    Open {
        /// The id that the core's events name.
        stream: StreamId,
        /// The queue of the events.
        queue: Arc<StreamQueue<H::Event>>,
        /// The response to the caller before the stream begins.
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
        /// The generation of the connection to that address.
        generation: u64,
    },
    /// A host's work on another thread is done. The number names the work.
    HostWork(u64),
    /// The thread ends.
    Stop,
}

/// The message to the opener of a stream before the first event.
pub enum StreamOpenReply {
    /// The core answers with the reply of this id.
    CallResponse(ReplyId, oneshot::Sender<CallResponse>),
    /// The edge answers 202 once the core has handled the input and readers see its changes.
    Handled(oneshot::Sender<CallResponse>),
}

/// The bounded queue in front of a core. The bound is in bytes ([`MAX_INBOX_KIB`]), and every input counts at least
/// [`MIN_INPUT_KIB`]. Senders wait while the queue is full.
pub struct Inbox<H: Host> {
    state: Mutex<InboxState<H>>,
    arrived: Condvar,
    /// One permit for every KiB.
    room: Semaphore,
    next_reply: AtomicU64,
}

struct InboxState<H: Host> {
    items: Vec<InboxItem<H>>,
    /// The permits of the queued items together.
    permits: usize,
    /// Whether the core's thread sleeps.
    asleep: bool,
    /// Whether the core has stopped.
    closed: bool,
}

/// Several items that are about to be sent, with their cost.
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
    /// Appends an item that was received as `bytes` bytes.
    pub fn push(&mut self, item: InboxItem<H>, bytes: usize) {
        self.items.push(item);
        self.costs.push(cost(bytes));
    }

    /// Drops all items.
    pub fn clear(&mut self) {
        self.items.clear();
        self.costs.clear();
    }

    /// Returns how many of the first items fit into half of the inbox, at least one, and their cost in KiB.
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

/// Returns the cost in KiB of an input of `bytes` bytes, at most the capacity of the inbox.
fn cost(bytes: usize) -> u32 {
    bytes.div_ceil(1024).clamp(MIN_INPUT_KIB, MAX_INBOX_KIB) as u32
}

/// The core has stopped, and the process is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shutting down")]
pub struct Stopped;

impl<H: Host> Inbox<H> {
    /// Makes an empty inbox.
    pub fn new() -> Arc<Self> {
        let state = InboxState { items: Vec::new(), permits: 0, asleep: false, closed: false };
        Arc::new(Inbox {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            room: Semaphore::new(MAX_INBOX_KIB),
            next_reply: AtomicU64::new(1),
        })
    }

    /// Waits for room, then queues an item that was received as `bytes` bytes.
    ///
    /// # Errors
    /// Returns [`Stopped`] if the core has stopped.
    pub async fn send(&self, item: InboxItem<H>, bytes: usize) -> Result<(), Stopped> {
        let cost = cost(bytes);
        self.room.acquire_many(cost).await.map_err(|_| Stopped)?.forget();
        self.put(cost, |queue| queue.push(item))
    }

    /// Queues all items of `batch`, in as few steps as there is room for, and empties it.
    ///
    /// # Errors
    /// Returns [`Stopped`] if the core has stopped.
    pub async fn send_all(&self, batch: &mut InboxBatch<H>) -> Result<(), Stopped> {
        while !batch.items.is_empty() {
            let (count, cost) = batch.first_part();
            self.room.acquire_many(cost).await.map_err(|_| Stopped)?.forget();
            batch.costs.drain(..count);
            self.put(cost, |queue| queue.extend(batch.items.drain(..count)))?;
        }
        Ok(())
    }

    /// Sends an input that was received as `bytes` bytes and waits for the response. `make` builds the input from the
    /// id of the reply.
    ///
    /// # Errors
    /// Returns [`Stopped`] if the core has stopped.
    pub async fn ask(&self, bytes: usize, make: impl FnOnce(ReplyId) -> H::Input) -> Result<CallResponse, Stopped> {
        let (reply, to, answer) = self.reply();
        self.send(InboxItem::Ask { reply, to, input: make(reply) }, bytes).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Returns the id of a new reply, and the two ends of its channel.
    pub fn reply(&self) -> (ReplyId, oneshot::Sender<CallResponse>, oneshot::Receiver<CallResponse>) {
        let (to, answer) = oneshot::channel();
        (ReplyId(self.next_reply.fetch_add(1, Ordering::Relaxed)), to, answer)
    }

    /// Queues an item that must not wait. There is at most one such item for each open stream, link, worker and signal,
    /// so that their number bounds the items.
    pub fn send_control(&self, item: InboxItem<H>) {
        // An item for a core that has stopped has no effect.
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

    /// Swaps the queued items into `batch`, which has to be empty. Returns at `deadline` even if nothing is queued.
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
