//! What each framework and its master said to each other, counted for `master/frameworks/<name>/<id>/…`.

use std::sync::Arc;

use messages::Message;
use messages::v1::offer::operation::Type as Operation;
use messages::v1::scheduler::call::Type as Call;
use messages::v1::scheduler::event::Type as Event;
use model::FrameworkId;

use crate::master::Master;
use crate::metrics::Value;
use crate::outbox::Effect;

/// One more than the largest number of each enum.
const CALLS: usize = 18;
const EVENTS: usize = 12;
const OPERATIONS: usize = 20;

/// Shared by all snapshots of a framework: readers see it move without being told of a change.
#[derive(Debug, Clone, Default)]
pub struct FrameworkMetrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: [Value; CALLS],
    events: [Value; EVENTS],
    operations: [Value; OPERATIONS],
    offers_accepted: Value,
    offers_declined: Value,
}

/// Counts are no part of what a framework is.
impl PartialEq for FrameworkMetrics {
    fn eq(&self, _: &FrameworkMetrics) -> bool {
        true
    }
}

impl FrameworkMetrics {
    pub(crate) fn increment_call(&self, kind: Call) {
        increment(&self.0.calls, kind as i32);
    }

    /// What was done, not what was asked for; a LAUNCH counts once for each task (as in Mesos).
    pub(crate) fn increment_operation(&self, kind: Operation) {
        increment(&self.0.operations, kind as i32);
    }

    pub(crate) fn add_accepted_offers(&self, offers: usize) {
        self.0.offers_accepted.add(offers as i64);
    }

    pub(crate) fn add_declined_offers(&self, offers: usize) {
        self.0.offers_declined.add(offers as i64);
    }

    fn increment_event(&self, kind: Event) {
        increment(&self.0.events, kind as i32);
    }

    pub fn offers_accepted(&self) -> i64 {
        self.0.offers_accepted.get()
    }

    pub fn offers_declined(&self) -> i64 {
        self.0.offers_declined.get()
    }

    pub fn offers_rescinded(&self) -> i64 {
        self.0.events.get(Event::Rescind as usize).map_or(0, Value::get)
    }

    /// Each kind that was used, in lower case.
    pub fn calls(&self) -> impl Iterator<Item = (String, i64)> + '_ {
        used(&self.0.calls, |number| Some(Call::try_from(number).ok()?.as_str_name()))
    }

    pub fn events(&self) -> impl Iterator<Item = (String, i64)> + '_ {
        used(&self.0.events, |number| Some(Event::try_from(number).ok()?.as_str_name()))
    }

    pub fn operations(&self) -> impl Iterator<Item = (String, i64)> + '_ {
        used(&self.0.operations, |number| Some(Operation::try_from(number).ok()?.as_str_name()))
    }
}

fn increment(values: &[Value], number: i32) {
    if let Some(value) = usize::try_from(number).ok().and_then(|number| values.get(number)) {
        value.increment();
    }
}

fn used(values: &[Value], name: impl Fn(i32) -> Option<&'static str>) -> impl Iterator<Item = (String, i64)> {
    let counts = values.iter().enumerate().map(|(number, value)| (number as i32, value.get()));
    counts
        .filter(|(_, count)| *count > 0)
        .filter_map(move |(number, count)| Some((name(number)?.to_lowercase(), count)))
}

impl Master {
    pub(crate) fn framework_metrics(&self, framework: &FrameworkId) -> Option<&FrameworkMetrics> {
        self.frameworks.get(framework.as_str()).map(|framework| &framework.state.framework_metrics)
    }

    /// What a step says to frameworks, whichever way it goes. A framework that leaves with its last event is not there
    /// to be counted.
    pub(crate) fn count_events(&self, effects: &[Effect]) {
        for effect in effects {
            let (framework, kind) = match effect {
                Effect::Event { stream, event } => {
                    (self.frameworks.by_stream(*stream), event.r#type.and_then(|number| Event::try_from(number).ok()))
                }
                Effect::Offers { stream, .. } => (self.frameworks.by_stream(*stream), Some(Event::Offers)),
                Effect::Send { to, message, .. } => match event_of(message) {
                    Some(kind) => (self.frameworks.by_driver(to), Some(kind)),
                    None => continue,
                },
                _ => continue,
            };
            if let (Some(framework), Some(kind)) = (framework, kind)
                && let Some(framework_metrics) = self.framework_metrics(framework)
            {
                framework_metrics.increment_event(kind);
            }
        }
    }
}

/// The event that a message to a driver stands for.
fn event_of(message: &Message) -> Option<Event> {
    match message {
        Message::FrameworkRegistered(_) | Message::FrameworkReregistered(_) => Some(Event::Subscribed),
        Message::ResourceOffers(_) => Some(Event::Offers),
        Message::RescindResourceOffer(_) => Some(Event::Rescind),
        Message::StatusUpdate(_) => Some(Event::Update),
        Message::ExecutorToFramework(_) => Some(Event::Message),
        Message::LostSlave(_) | Message::ExitedExecutor(_) => Some(Event::Failure),
        Message::FrameworkError(_) => Some(Event::Error),
        _ => None,
    }
}
