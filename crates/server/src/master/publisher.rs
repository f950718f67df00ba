//! The view of a master between the core that changes it and those who read it, and the operators' event streams.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::master::Change;
use health::Filter;
use messages::v1;
use views::master::{Snapshot, View};

use super::failures::{Sinks, Watcher, Watchers};
use crate::edge::queue::Pushed;
use crate::edge::stream::StreamQueue;

type Subscriber = Arc<StreamQueue<v1::master::Event>>;

pub struct Publisher {
    state: Mutex<State>,
    max_subscribers: usize,
    sinks: Arc<Sinks>,
}

struct State {
    view: View,
    watchers: Watchers,
    /// Oldest first.
    subscribers: Vec<Subscriber>,
}

impl Publisher {
    pub fn new(view: View, max_subscribers: usize, sinks: Arc<Sinks>) -> Arc<Self> {
        let state = State { view, watchers: Watchers::default(), subscribers: Vec::new() };
        Arc::new(Publisher { state: Mutex::new(state), max_subscribers, sinks })
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
            if let Change::Incident(incident, news) = &change {
                state.watchers.tell(incident, *news);
                self.sinks.tell(incident, *news);
            }
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

    /// Adds a follower of failures, which gets every change after the returned state.
    pub fn watch_failures(&self, watcher: Watcher, filter: Filter) -> Snapshot {
        let mut state = self.lock();
        state.watchers.add(watcher, filter, self.max_subscribers);
        state.view.snapshot()
    }

    pub fn unwatch_failures(&self, watcher: &Watcher) {
        self.lock().watchers.remove(watcher);
    }

    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    pub fn unsubscribe(&self, subscriber: &Subscriber) {
        self.lock().subscribers.retain(|other| !Arc::ptr_eq(other, subscriber));
    }

    pub fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    /// Ends every stream: the view will not change any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.watchers.close();
        for subscriber in state.subscribers.drain(..) {
            subscriber.finish();
        }
    }

    pub fn heartbeat(&self) {
        let mut state = self.lock();
        state.tell(&Arc::new(heartbeat()));
        state.watchers.heartbeat();
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
        self.watchers.wake();
    }
}

pub fn heartbeat() -> v1::master::Event {
    v1::master::Event { r#type: Some(v1::master::event::Type::Heartbeat as i32), ..Default::default() }
}
