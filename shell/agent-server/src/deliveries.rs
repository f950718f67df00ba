//! Holds back messages to executors until their containers have been changed, so that a task finds its volumes and its
//! limits in force when it arrives. The changes are made on a thread of their own ([`super::worker`]), in the order in
//! which the core requests them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use messages::{Message, v1};
use model::{StreamId, Upid};

/// A message of the core to an executor.
#[derive(Debug)]
pub enum Delivery {
    /// An event on the executor's stream.
    Event {
        /// The stream.
        stream: StreamId,
        /// The event.
        event: Arc<v1::executor::Event>,
    },
    /// The end of the executor's stream.
    Close(StreamId),
    /// A libprocess message to a driver.
    Send {
        /// The sending process.
        from: Arc<str>,
        /// The executor's process.
        to: Upid,
        /// The message.
        message: Message,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Destination {
    Stream(StreamId),
    Process(Upid),
}

impl Delivery {
    fn destination(&self) -> Destination {
        match self {
            Delivery::Event { stream, .. } | Delivery::Close(stream) => Destination::Stream(*stream),
            Delivery::Send { to, .. } => Destination::Process(to.clone()),
        }
    }

    /// Returns whether the delivery has to wait for the changes of the same step. Messages to masters need no change.
    fn needs_changes(&self) -> bool {
        match self {
            Delivery::Event { .. } | Delivery::Close(_) => true,
            Delivery::Send { message, .. } => matches!(message, Message::RunTask(_)),
        }
    }
}

/// The deliveries that wait. Their number is at most the number of waiting changes times the tasks of a batch.
#[derive(Debug, Default)]
pub struct Deliveries {
    /// The number of the most recent change.
    last: u64,
    /// The most recent change of the current step.
    in_step: Option<u64>,
    /// The waiting deliveries by the change that they wait for.
    waiting: BTreeMap<u64, Vec<Delivery>>,
    /// The last change that a delivery to a destination waits for. Later deliveries to the destination wait behind it.
    behind: HashMap<Destination, u64>,
}

impl Deliveries {
    /// Begins a step of the core.
    pub fn begin_step(&mut self) {
        self.in_step = None;
    }

    /// Registers a change that the core requests, and returns its number. Later deliveries of this step wait for it.
    pub fn change(&mut self) -> u64 {
        self.last += 1;
        self.in_step = Some(self.last);
        self.last
    }

    /// Returns the delivery if it need not wait, and keeps it otherwise.
    pub fn admit(&mut self, delivery: Delivery) -> Option<Delivery> {
        if self.in_step.is_none() && self.behind.is_empty() {
            return Some(delivery);
        }
        let destination = delivery.destination();
        let own = self.in_step.filter(|_| delivery.needs_changes());
        let Some(change) = own.max(self.behind.get(&destination).copied()) else { return Some(delivery) };
        self.behind.insert(destination, change);
        self.waiting.entry(change).or_default().push(delivery);
        None
    }

    /// Notes that a change and all changes before it are made. Returns the deliveries that waited for them, in order.
    pub fn done(&mut self, change: u64) -> Vec<Delivery> {
        if self.in_step.is_some_and(|in_step| in_step <= change) {
            self.in_step = None;
        }
        let later = self.waiting.split_off(&(change + 1));
        let ready = std::mem::replace(&mut self.waiting, later);
        self.behind.retain(|_, last| *last > change);
        ready.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event(stream: u128) -> Delivery {
        Delivery::Event { stream: StreamId(Uuid::from_u128(stream)), event: Arc::default() }
    }

    fn streams(ready: &[Delivery]) -> Vec<u128> {
        let stream = |delivery: &Delivery| match delivery {
            Delivery::Event { stream, .. } | Delivery::Close(stream) => stream.0.as_u128(),
            Delivery::Send { .. } => 0,
        };
        ready.iter().map(stream).collect()
    }

    #[test]
    fn messages_after_a_change_wait_for_it() {
        let mut deliveries = Deliveries::default();
        assert!(deliveries.admit(event(1)).is_some());
        let first = deliveries.change();
        assert!(deliveries.admit(event(1)).is_none());
        deliveries.begin_step();
        assert!(deliveries.admit(event(2)).is_some(), "a change does not delay deliveries of another step");
        assert!(deliveries.admit(event(1)).is_none(), "deliveries to a destination keep their order");
        assert_eq!(streams(&deliveries.done(first)), [1, 1]);
        assert!(deliveries.admit(event(1)).is_some());
    }

    #[test]
    fn the_order_of_a_destination_is_kept_over_several_changes() {
        let mut deliveries = Deliveries::default();
        let first = deliveries.change();
        assert!(deliveries.admit(event(1)).is_none());
        deliveries.begin_step();
        let second = deliveries.change();
        assert!(deliveries.admit(event(1)).is_none());
        assert!(deliveries.admit(event(2)).is_none());
        deliveries.begin_step();
        assert!(deliveries.admit(Delivery::Close(StreamId(Uuid::from_u128(1)))).is_none());
        assert_eq!(streams(&deliveries.done(first)), [1]);
        assert_eq!(streams(&deliveries.done(second)), [1, 2, 1]);
    }

    #[test]
    fn messages_to_masters_do_not_wait() {
        let mut deliveries = Deliveries::default();
        deliveries.change();
        let send = |message: Message| Delivery::Send { from: "slave(1)".into(), to: Upid::none(), message };
        let pong = messages::internal::PongSlaveMessage::default();
        assert!(deliveries.admit(send(pong.into())).is_some());
        assert!(deliveries.admit(send(messages::internal::RunTaskMessage::default().into())).is_none());
        assert!(deliveries.admit(send(pong.into())).is_none(), "a message waits behind others to the same process");
    }
}
