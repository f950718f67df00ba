//! The view of a master between the core that changes it and those who read it, and the operators' event streams.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::master::Change;
use messages::v1;
use views::master::{Snapshot, View};

use crate::edge::queue::Pushed;
use crate::edge::stream::StreamQueue;

type Subscriber = Arc<StreamQueue<v1::master::Event>>;

pub struct Publisher {
    state: Mutex<State>,
    max_subscribers: usize,
}

struct State {
    view: View,
    /// Oldest first.
    subscribers: Vec<Subscriber>,
}

impl Publisher {
    pub fn new(view: View, max_subscribers: usize) -> Arc<Self> {
        Arc::new(Publisher { state: Mutex::new(State { view, subscribers: Vec::new() }), max_subscribers })
    }

    /// Taken in no time; nobody who reads it holds up the core.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().view.snapshot()
    }

    /// Applies the changes of a batch, and tells the subscribers.
    pub fn publish(&self, changes: &mut Vec<Change>) {
        let mut state = self.lock();
        let mut events = Vec::new();
        for change in changes.drain(..) {
            state.view.apply(&change);
            if !state.subscribers.is_empty() {
                events.extend(state.view.events(&change).into_iter().map(Arc::new));
            }
        }
        for event in events {
            state.tell(&event);
        }
        state.wake();
    }

    /// Adds a stream, which gets every change after the returned state; the oldest stream goes when there
    /// are too many. Building the first event from the state is left to the caller: it takes time.
    pub fn subscribe(&self, subscriber: Subscriber) -> Snapshot {
        let mut state = self.lock();
        if state.subscribers.len() >= self.max_subscribers && !state.subscribers.is_empty() {
            state.subscribers.remove(0).finish();
        }
        state.subscribers.push(subscriber);
        state.view.snapshot()
    }

    pub fn unsubscribe(&self, subscriber: &Subscriber) {
        self.lock().subscribers.retain(|other| !Arc::ptr_eq(other, subscriber));
    }

    pub fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    /// Ends every stream: the view will not change any more.
    pub fn close(&self) {
        for subscriber in self.lock().subscribers.drain(..) {
            subscriber.finish();
        }
    }

    pub fn heartbeat(&self) {
        let mut state = self.lock();
        state.tell(&Arc::new(heartbeat()));
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whoever does not read loses the connection.
    fn tell(&mut self, event: &Arc<v1::master::Event>) {
        self.subscribers.retain(|subscriber| match subscriber.push(event.clone()) {
            Pushed::First | Pushed::Behind => true,
            Pushed::Closed => false,
            Pushed::Full => {
                subscriber.kill();
                false
            }
        });
    }

    fn wake(&self) {
        for subscriber in &self.subscribers {
            subscriber.wake();
        }
    }
}

pub fn heartbeat() -> v1::master::Event {
    v1::master::Event { r#type: Some(v1::master::event::Type::Heartbeat as i32), ..Default::default() }
}
