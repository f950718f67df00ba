//! A bounded queue from the core thread to one task, taken whole: what piles up while the task writes
//! becomes one write.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

pub struct BatchQueue<T> {
    state: Mutex<State<T>>,
    bound: usize,
}

struct State<T> {
    items: Vec<T>,
    closed: bool,
    aborted: bool,
    notified: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is the only item: the task must be woken, now or at the end of the batch.
    First,
    Behind,
    /// The bound is reached; the item was not taken.
    Full,
    Closed,
}

impl<T> BatchQueue<T> {
    pub fn new(bound: usize) -> Self {
        let state = State { items: Vec::new(), closed: false, aborted: false, notified: false, waker: None };
        BatchQueue { state: Mutex::new(state), bound }
    }

    /// Does not wake: call [`wake`](Self::wake) once per batch.
    pub fn push(&self, item: T) -> Pushed {
        self.push_or_return(item).0
    }

    /// Gives the item back when it was not taken.
    pub fn push_or_return(&self, item: T) -> (Pushed, Option<T>) {
        let mut state = self.lock();
        if state.closed {
            return (Pushed::Closed, Some(item));
        }
        if state.items.len() >= self.bound {
            return (Pushed::Full, Some(item));
        }
        state.items.push(item);
        (if state.items.len() == 1 { Pushed::First } else { Pushed::Behind }, None)
    }

    pub fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Makes the next take return, even with nothing.
    pub fn notify(&self) {
        self.lock().notified = true;
        self.wake();
    }

    /// No more items; those queued are still taken.
    pub fn finish(&self) {
        self.lock().closed = true;
        self.wake();
    }

    /// No more items, and none of those queued.
    pub fn abort(&self) {
        let dropped = {
            let mut state = self.lock();
            state.closed = true;
            state.aborted = true;
            std::mem::take(&mut state.items)
        };
        drop(dropped);
        self.wake();
    }

    /// True when nothing was queued and now nothing will be.
    pub fn close_if_empty(&self) -> bool {
        let mut state = self.lock();
        if state.items.is_empty() {
            state.closed = true;
        }
        state.closed
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Swaps everything queued into `into` (which should be empty). False at the end of the queue.
    pub fn poll_take(&self, cx: &mut Context<'_>, into: &mut Vec<T>) -> Poll<bool> {
        let mut state = self.lock();
        if !state.items.is_empty() {
            state.notified = false;
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

    pub async fn take(&self, into: &mut Vec<T>) -> bool {
        std::future::poll_fn(|cx| self.poll_take(cx, into)).await
    }

    /// Resolves when the queue is aborted, for a task that is busy with what it took.
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
        let queue = BatchQueue::new(9);
        assert_eq!(taken(&queue), Some(Poll::Pending));
        assert_eq!([queue.push(1), queue.push(2)], [Pushed::First, Pushed::Behind]);
        assert_eq!(taken(&queue), Some(Poll::Ready(vec![1, 2])));
        assert_eq!(queue.push(3), Pushed::First);
    }

    #[test]
    fn at_the_bound_nothing_more_is_taken_in() {
        let queue = BatchQueue::new(1);
        queue.push(1);
        assert_eq!(queue.push_or_return(2), (Pushed::Full, Some(2)));
        assert_eq!(taken(&queue), Some(Poll::Ready(vec![1])));
    }

    #[test]
    fn a_finished_queue_ends_after_its_items_and_an_aborted_one_at_once() {
        for (end, left) in
            [(BatchQueue::finish as fn(&BatchQueue<u32>), Some(Poll::Ready(vec![1]))), (BatchQueue::abort, None)]
        {
            let queue = BatchQueue::new(9);
            queue.push(1);
            end(&queue);
            assert_eq!(queue.push(2), Pushed::Closed);
            assert_eq!(taken(&queue), left);
            assert_eq!(taken(&queue), None);
        }
    }

    #[test]
    fn only_an_empty_queue_closes_when_empty() {
        let queue = BatchQueue::new(9);
        queue.push(1);
        assert!(!queue.close_if_empty());
        taken(&queue);
        assert!(queue.close_if_empty());
        assert_eq!(queue.push(2), Pushed::Closed);
    }

    #[test]
    fn notify_wakes_the_consumer_without_an_item() {
        let queue = BatchQueue::<u32>::new(9);
        queue.notify();
        assert_eq!(taken(&queue), Some(Poll::Ready(Vec::new())));
        assert_eq!(taken(&queue), Some(Poll::Pending));
    }
}
