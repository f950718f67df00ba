//! The view of a master between the core that changes it and those who read it, and the operators' event streams.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use messages::v1;
use model::incident::Filter;
use model::master::Change;
use tokio::sync::oneshot;
use views::Visibility;
use views::master::{Snapshot, View};
use wire::{ContentType, StreamEvent};

use super::failures::{Sinks, Watcher, Watchers};
use edge::connections::budget::{Budget, Exhausted};
use edge::connections::connection::Connection;
use edge::core_thread::queue::Pushed;
use edge::http::stream::{StreamQueue, record};

type EventQueue = Arc<StreamQueue<Arc<v1::master::Event>>>;
type InitialState = Result<Bytes, Exhausted>;

pub struct Publisher {
    state: Mutex<State>,
    max_subscribers: usize,
    sinks: Arc<Sinks>,
    initial_states: Budget,
}

struct State {
    view: View,
    watchers: Watchers,
    /// Oldest first.
    subscribers: Vec<Subscriber>,
    pending: Vec<PendingSubscriber>,
}

/// An operator's stream, and what its reader may see.
struct Subscriber {
    queue: EventQueue,
    visibility: Visibility,
}

/// A stream that has not begun.
struct PendingSubscriber {
    subscriber: Subscriber,
    content_type: ContentType,
    begin: oneshot::Sender<InitialState>,
}

/// A place among the subscribers, given up when it is dropped.
pub struct Subscription {
    /// The events of the stream.
    pub queue: EventQueue,
    publisher: Arc<Publisher>,
}

impl Publisher {
    pub fn new(view: View, max_subscribers: usize, sinks: Arc<Sinks>) -> Arc<Self> {
        let state = State { view, watchers: Watchers::default(), subscribers: Vec::new(), pending: Vec::new() };
        Arc::new(Publisher { state: Mutex::new(state), max_subscribers, sinks, initial_states: Budget::of_answers() })
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
                let State { view, watchers, .. } = &mut *state;
                watchers.notify(incident, *news, view);
                self.sinks.notify(incident, *news);
            }
            if !state.subscribers.is_empty() {
                events.extend(state.view.events(&change).into_iter().map(Arc::new));
            }
        }
        for event in events {
            state.broadcast(&event);
        }
        state.wake();
    }

    /// A stream that begins with the next call of [`send_initial_states`](Self::send_initial_states) for its content type: what it is
    /// to begin with will be received.
    pub fn subscribe(
        self: &Arc<Self>,
        connection: Connection,
        content_type: ContentType,
        visibility: Visibility,
    ) -> (Subscription, oneshot::Receiver<InitialState>) {
        let queue = StreamQueue::new(connection);
        let (begin, initial_state) = oneshot::channel();
        let subscriber = Subscriber { queue: queue.clone(), visibility };
        self.lock().pending.push(PendingSubscriber { subscriber, content_type, begin });
        (Subscription { queue, publisher: self.clone() }, initial_state)
    }

    /// The streams that wait for this get every change from now on; and before that, when the returned function runs, the state as
    /// of now: one record, the same memory for all of them. That takes time. The returned snapshot is what it shows.
    pub fn send_initial_states(
        &self,
        content_type: ContentType,
        visibility: Visibility,
    ) -> (impl FnOnce() + Send + use<>, Snapshot) {
        let (snapshot, begun) = self.lock().admit(content_type, visibility, self.max_subscribers);
        let budget = self.initial_states.clone();
        let shown = snapshot.clone();
        let begin = move || {
            if begun.is_empty() {
                return;
            }
            let state = match content_type {
                ContentType::Json => record(&snapshot.subscribed_json()),
                ContentType::Protobuf => record(&wire::encode_as(content_type, &snapshot.subscribed())),
            };
            let initial_state = budget.hold(state);
            for begin in begun {
                // Whoever has hung up meanwhile has given its place up, too.
                let _ = begin.send(initial_state.clone());
            }
        };
        (begin, shown)
    }

    /// Adds a follower of failures, which gets every change after the returned state.
    pub fn watch_failures(&self, watcher: Watcher, filter: Filter, visibility: Visibility) -> Snapshot {
        let mut state = self.lock();
        state.watchers.add(watcher, filter, visibility.clone(), self.max_subscribers);
        state.view.snapshot().seen_by(visibility)
    }

    pub fn unwatch_failures(&self, watcher: &Watcher) {
        self.lock().watchers.remove(watcher);
    }

    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    fn unsubscribe(&self, queue: &EventQueue) {
        let mut state = self.lock();
        state.subscribers.retain(|other| !Arc::ptr_eq(&other.queue, queue));
        state.pending.retain(|other| !Arc::ptr_eq(&other.subscriber.queue, queue));
    }

    pub fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    /// Ends every stream: the view will not change any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.watchers.close();
        let pending = std::mem::take(&mut state.pending).into_iter().map(|pending| pending.subscriber);
        for subscriber in state.subscribers.drain(..).chain(pending) {
            subscriber.queue.finish();
        }
    }

    /// Tells every stream that the master is there.
    pub fn heartbeat(&self) {
        let mut state = self.lock();
        state.broadcast(&Arc::new(heartbeat()));
        state.watchers.heartbeat();
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.publisher.unsubscribe(&self.queue);
    }
}

impl State {
    /// Those who wait for this content type become subscribers as of the returned snapshot; the oldest streams go when
    /// there are too many.
    fn admit(
        &mut self,
        content_type: ContentType,
        visibility: Visibility,
        max_subscribers: usize,
    ) -> (Snapshot, Vec<oneshot::Sender<InitialState>>) {
        let (begun, pending) = std::mem::take(&mut self.pending).into_iter().partition::<Vec<_>, _>(|pending| {
            pending.content_type == content_type && pending.subscriber.visibility == visibility
        });
        self.pending = pending;
        let begin = begun.into_iter().map(|begun| {
            if self.subscribers.len() >= max_subscribers && !self.subscribers.is_empty() {
                self.subscribers.remove(0).queue.finish();
            }
            self.subscribers.push(begun.subscriber);
            begun.begin
        });
        let begin = begin.collect();
        (self.view.snapshot().seen_by(visibility), begin)
    }

    /// Whoever does not read loses the connection.
    fn broadcast(&mut self, event: &Arc<v1::master::Event>) {
        let view = &self.view;
        self.subscribers.retain(|Subscriber { queue, visibility }| {
            let Some(event) = view.event_seen_by(visibility, event) else { return true };
            let bytes = event.size();
            match queue.push(event, bytes) {
                Pushed::First | Pushed::Behind => true,
                Pushed::Closed => false,
                Pushed::Full => {
                    queue.kill();
                    false
                }
            }
        });
    }

    fn wake(&self) {
        for subscriber in &self.subscribers {
            subscriber.queue.wake();
        }
        self.watchers.wake();
    }
}

pub fn heartbeat() -> v1::master::Event {
    v1::master::Event { r#type: Some(v1::master::event::Type::Heartbeat as i32), ..Default::default() }
}
