//! A bounded queue from the core's thread to one task. The task takes the whole content at once, so that everything
//! queued during one write becomes the next write.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A queue with one consumer, bounded in items and in bytes.
pub struct BatchQueue<T> {
    state: Mutex<State<T>>,
    bound: Bound,
}

/// The bound of a queue. An item larger than the byte bound is accepted if the queue is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The number of items.
    pub items: usize,
    /// The sum of the sizes that the items were pushed with, in bytes.
    pub bytes: usize,
}

struct State<T> {
    items: Vec<T>,
    bytes: usize,
    closed: bool,
    aborted: bool,
    notified: bool,
    waker: Option<Waker>,
}

/// The result of appending an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The item is the only one, and the task has to be woken, now or at the end of the batch.
    First,
    /// Other items wait before it.
    Behind,
    /// A bound is reached; the item was not taken.
    Full,
    /// The queue has ended; the item was not taken.
    Closed,
}

impl<T> BatchQueue<T> {
    /// Makes an empty queue.
    pub fn new(bound: Bound) -> Self {
        let state = State { items: Vec::new(), bytes: 0, closed: false, aborted: false, notified: false, waker: None };
        BatchQueue { state: Mutex::new(state), bound }
    }

    /// Appends an item of `bytes` bytes without waking the task. Callers call [`wake`](Self::wake) once per batch.
    pub fn push(&self, item: T, bytes: usize) -> Pushed {
        self.push_or_return(item, bytes).0
    }

    /// Does the same as [`push`](Self::push), and returns the item if it was not taken.
    pub fn push_or_return(&self, item: T, bytes: usize) -> (Pushed, Option<T>) {
        let mut state = self.lock();
        if state.closed {
            return (Pushed::Closed, Some(item));
        }
        let full = state.items.len() >= self.bound.items || state.bytes.saturating_add(bytes) > self.bound.bytes;
        if full && !state.items.is_empty() {
            return (Pushed::Full, Some(item));
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.items.push(item);
        (if state.items.len() == 1 { Pushed::First } else { Pushed::Behind }, None)
    }

    /// Wakes the task that takes from the queue.
    pub fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Makes the next take return even if nothing is queued.
    pub fn notify(&self) {
        self.lock().notified = true;
        self.wake();
    }

    /// Closes the queue for new items. Queued items are still taken.
    pub fn finish(&self) {
        self.lock().closed = true;
        self.wake();
    }

    /// Closes the queue and drops the queued items.
    pub fn abort(&self) {
        let dropped = {
            let mut state = self.lock();
            state.closed = true;
            state.aborted = true;
            state.bytes = 0;
            std::mem::take(&mut state.items)
        };
        drop(dropped);
        self.wake();
    }

    /// Closes the queue if it is empty, and returns whether it did.
    pub fn close_if_empty(&self) -> bool {
        let mut state = self.lock();
        if state.items.is_empty() {
            state.closed = true;
        }
        state.closed
    }

    /// Returns whether the queue takes no more items.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Swaps the queued items into `into`, which should be empty. Returns false at the end of the queue.
    pub fn poll_take(&self, cx: &mut Context<'_>, into: &mut Vec<T>) -> Poll<bool> {
        let mut state = self.lock();
        if !state.items.is_empty() {
            state.notified = false;
            state.bytes = 0;
            std::mem::swap(&mut state.items, into);
            return Poll::Ready(true);
        }
        if state.closed {
            return Poll::Ready(false);
        }
        if state.notified {
            state.notified = false;
            return Poll::Ready(true);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Does the same as [`poll_take`](Self::poll_take), asynchronously.
    pub async fn take(&self, into: &mut Vec<T>) -> bool {
        std::future::poll_fn(|cx| self.poll_take(cx, into)).await
    }

    /// Resolves when the queue is aborted, for a task that is busy with the items it took.
    pub async fn aborted(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if state.aborted {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINE: Bound = Bound { items: 9, bytes: 9 };

    fn taken(queue: &BatchQueue<u32>) -> Option<Poll<Vec<u32>>> {
        let mut items = Vec::new();
        match queue.poll_take(&mut Context::from_waker(Waker::noop()), &mut items) {
            Poll::Ready(true) => Some(Poll::Ready(items)),
            Poll::Ready(false) => None,
            Poll::Pending => Some(Poll::Pending),
        }
    }

    #[test]
    fn everything_queued_is_taken_at_once() {
        let queue = BatchQueue::new(NINE);
        assert_eq!(taken(&queue), Some(Poll::Pending));
        assert_eq!([queue.push(1, 1), queue.push(2, 1)], [Pushed::First, Pushed::Behind]);
        assert_eq!(taken(&queue), Some(Poll::Ready(vec![1, 2])));
        assert_eq!(queue.push(3, 1), Pushed::First);
    }

    #[test]
    fn at_the_bound_further_items_are_refused() {
        for bound in [Bound { items: 1, bytes: 100 }, Bound { items: 9, bytes: 11 }] {
            let queue = BatchQueue::new(bound);
            for _ in 0..2 {
                assert_eq!(queue.push(1, 10), Pushed::First);
                assert_eq!(queue.push_or_return(2, 2), (Pushed::Full, Some(2)), "{bound:?}");
                assert_eq!(taken(&queue), Some(Poll::Ready(vec![1])));
            }
        }
    }

    #[test]
    fn an_item_above_the_bound_is_queued_alone() {
        let queue = BatchQueue::new(NINE);
        assert_eq!(queue.push(1, usize::MAX), Pushed::First);
        assert_eq!(queue.push(2, 0), Pushed::Full);
        assert_eq!(taken(&queue), Some(Poll::Ready(vec![1])));
    }

    #[test]
    fn a_finished_queue_ends_after_its_items_and_an_aborted_one_at_once() {
        for (end, left) in
            [(BatchQueue::finish as fn(&BatchQueue<u32>), Some(Poll::Ready(vec![1]))), (BatchQueue::abort, None)]
        {
            let queue = BatchQueue::new(NINE);
            queue.push(1, 1);
            end(&queue);
            assert_eq!(queue.push(2, 1), Pushed::Closed);
            assert_eq!(taken(&queue), left);
            assert_eq!(taken(&queue), None);
        }
    }

    #[test]
    fn only_an_empty_queue_closes_when_empty() {
        let queue = BatchQueue::new(NINE);
        queue.push(1, 1);
        assert!(!queue.close_if_empty());
        taken(&queue);
        assert!(queue.close_if_empty());
        assert_eq!(queue.push(2, 1), Pushed::Closed);
    }

    #[test]
    fn notify_wakes_the_consumer_without_an_item() {
        let queue = BatchQueue::<u32>::new(NINE);
        queue.notify();
        assert_eq!(taken(&queue), Some(Poll::Ready(Vec::new())));
        assert_eq!(taken(&queue), Some(Poll::Pending));
    }
}
