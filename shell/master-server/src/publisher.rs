//! The view of a master between the core that changes it and its readers, and the event streams of operators.

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

/// The view, the followers of failures, and the event streams of operators.
pub struct Publisher {
    state: Mutex<State>,
    max_subscribers: usize,
    sinks: Arc<Sinks>,
    initial_states: Budget,
}

struct State {
    view: View,
    watchers: Watchers,
    /// The event streams that have begun, oldest first.
    subscribers: Vec<Subscriber>,
    pending: Vec<PendingSubscriber>,
}

/// An operator's event stream and what its reader may see.
struct Subscriber {
    queue: EventQueue,
    visibility: Visibility,
}

/// An event stream that waits for its initial state.
struct PendingSubscriber {
    subscriber: Subscriber,
    content_type: ContentType,
    begin: oneshot::Sender<InitialState>,
}

/// A place among the subscribers. Dropping it gives the place up.
pub struct Subscription {
    /// The events of the stream.
    pub queue: EventQueue,
    publisher: Arc<Publisher>,
}

impl Publisher {
    /// Makes the publisher of `view`. `max_subscribers` bounds event streams and followers of failures each.
    pub fn new(view: View, max_subscribers: usize, sinks: Arc<Sinks>) -> Arc<Self> {
        let state = State { view, watchers: Watchers::default(), subscribers: Vec::new(), pending: Vec::new() };
        Arc::new(Publisher { state: Mutex::new(state), max_subscribers, sinks, initial_states: Budget::of_answers() })
    }

    /// Returns a snapshot of the view. Taking one is fast, and reading it does not delay the core.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().view.snapshot()
    }

    /// Applies the changes of a batch and sends them to the subscribers.
    pub fn publish(&self, changes: &mut Vec<Change>) {
        let mut state = self.lock();
        let mut events = Vec::new();
        for change in changes.drain(..) {
            state.view.apply(&change);
            if let Change::Incident(incident, update) = &change {
                let State { view, watchers, .. } = &mut *state;
                watchers.notify(incident, *update, view);
                self.sinks.notify(incident, *update);
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

    /// Adds a stream that begins with the next call of [`send_initial_states`](Self::send_initial_states) for its
    /// content type and visibility. The receiver gets its initial state.
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

    /// Admits the pending streams of this content type and visibility: they get every later change. The returned
    /// function encodes the current state once and sends it to all of them as one shared record; it takes long for a
    /// large state. The returned snapshot shows that state.
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
                ContentType::Protobuf => record(&snapshot.subscribed_protobuf()),
            };
            let initial_state = budget.hold(state);
            for begin in begun {
                // A subscriber that has disconnected meanwhile has given up its place as well.
                let _ = begin.send(initial_state.clone());
            }
        };
        (begin, shown)
    }

    /// Adds a follower of failures, which gets every change after the returned snapshot.
    pub fn watch_failures(&self, watcher: Watcher, filter: Filter, visibility: Visibility) -> Snapshot {
        let mut state = self.lock();
        state.watchers.add(watcher, filter, visibility.clone(), self.max_subscribers);
        state.view.snapshot().seen_by(visibility)
    }

    /// Removes a follower of failures.
    pub fn unwatch_failures(&self, watcher: &Watcher) {
        self.lock().watchers.remove(watcher);
    }

    /// Returns the failure sinks.
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    fn unsubscribe(&self, queue: &EventQueue) {
        let mut state = self.lock();
        state.subscribers.retain(|other| !Arc::ptr_eq(&other.queue, queue));
        state.pending.retain(|other| !Arc::ptr_eq(&other.subscriber.queue, queue));
    }

    /// Returns the number of subscribed event streams.
    pub fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    /// Ends all streams, because the view does not change any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.watchers.close();
        let pending = std::mem::take(&mut state.pending).into_iter().map(|pending| pending.subscriber);
        for subscriber in state.subscribers.drain(..).chain(pending) {
            subscriber.queue.finish();
        }
    }

    /// Sends a heartbeat on all streams.
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
    /// Turns the pending streams of this content type and visibility into subscribers as of the returned snapshot. The
    /// oldest streams end if there are too many.
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

    /// Queues an event for all subscribers. A subscriber that does not read loses its connection.
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

/// Returns the HEARTBEAT event.
pub fn heartbeat() -> v1::master::Event {
    v1::master::Event { r#type: Some(v1::master::event::Type::Heartbeat as i32), ..Default::default() }
}
