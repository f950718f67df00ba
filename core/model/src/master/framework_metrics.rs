//! The counters of the calls, events and operations of each framework: `master/frameworks/<name>/<id>/…`.

use std::sync::Arc;

use messages::v1::offer::operation::Type as Operation;
use messages::v1::scheduler::call::Type as Call;
use messages::v1::scheduler::event::Type as Event;
use resources::operation::OperationSpec;

use crate::metrics::MetricValue;

/// The length of the array for each enum: one more than its largest number.
const CALLS: usize = 18;
const EVENTS: usize = 12;

/// The counters of one framework. All its snapshots share them: readers see them change without a change on the stream.
#[derive(Debug, Clone, Default)]
pub struct FrameworkMetrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: [MetricValue; CALLS],
    events: [MetricValue; EVENTS],
    /// The counters of operations, in the order of [`OperationSpec::ALL`].
    operations: [MetricValue; OperationSpec::ALL.len()],
    offers_accepted: MetricValue,
    offers_declined: MetricValue,
}

/// The comparison of snapshots ignores counters, so any two values are equal.
impl PartialEq for FrameworkMetrics {
    fn eq(&self, _: &FrameworkMetrics) -> bool {
        true
    }
}

impl FrameworkMetrics {
    /// Counts a call of the framework.
    pub fn increment_call(&self, kind: Call) {
        increment(&self.0.calls, kind as i32);
    }

    /// Counts an operation that was carried out; a LAUNCH counts once for each task (as in Mesos).
    pub fn increment_operation(&self, kind: Operation) {
        let counts = OperationSpec::ALL.iter().zip(&self.0.operations);
        counts.filter(|(spec, _)| spec.kind == kind).for_each(|(_, count)| count.increment());
    }

    /// Counts offers that the framework accepted.
    pub fn add_accepted_offers(&self, offers: usize) {
        self.0.offers_accepted.add(offers as i64);
    }

    /// Counts offers that the framework declined.
    pub fn add_declined_offers(&self, offers: usize) {
        self.0.offers_declined.add(offers as i64);
    }

    /// Counts an event that the framework was sent.
    pub fn increment_event(&self, kind: Event) {
        increment(&self.0.events, kind as i32);
    }

    /// Returns the number of offers that the framework accepted.
    pub fn offers_accepted(&self) -> i64 {
        self.0.offers_accepted.get()
    }

    /// Returns the number of offers that the framework declined.
    pub fn offers_declined(&self) -> i64 {
        self.0.offers_declined.get()
    }

    /// Returns the number of offers of the framework that were rescinded.
    pub fn offers_rescinded(&self) -> i64 {
        self.0.events.get(Event::Rescind as usize).map_or(0, MetricValue::get)
    }

    /// Returns the count of each kind of call that was made, with its name in lower case.
    pub fn calls(&self) -> impl Iterator<Item = (String, i64)> + '_ {
        used(&self.0.calls, |number| Some(Call::try_from(number).ok()?.as_str_name()))
    }

    /// Returns the count of each kind of event that was sent, with its name in lower case.
    pub fn events(&self) -> impl Iterator<Item = (String, i64)> + '_ {
        used(&self.0.events, |number| Some(Event::try_from(number).ok()?.as_str_name()))
    }

    /// Returns the count of each kind of operation that was carried out, with its name in lower case.
    pub fn operations(&self) -> impl Iterator<Item = (String, i64)> + '_ {
        let counts = OperationSpec::ALL.iter().zip(&self.0.operations).map(|(spec, count)| (spec.name, count.get()));
        counts.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_lowercase(), count))
    }
}

fn increment(values: &[MetricValue], number: i32) {
    if let Some(value) = usize::try_from(number).ok().and_then(|number| values.get(number)) {
        value.increment();
    }
}

fn used(values: &[MetricValue], name: impl Fn(i32) -> Option<&'static str>) -> impl Iterator<Item = (String, i64)> {
    let counts = values.iter().enumerate().map(|(number, value)| (number as i32, value.get()));
    counts
        .filter(|(_, count)| *count > 0)
        .filter_map(move |(number, count)| Some((name(number)?.to_lowercase(), count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrays have room for the largest number of each enum, so that every call, event and operation is counted.
    #[test]
    fn every_call_event_and_operation_is_counted() {
        let metrics = FrameworkMetrics::default();
        (0..64).filter_map(|number| Call::try_from(number).ok()).for_each(|kind| metrics.increment_call(kind));
        (0..64).filter_map(|number| Event::try_from(number).ok()).for_each(|kind| metrics.increment_event(kind));
        (0..64)
            .filter_map(|number| Operation::try_from(number).ok())
            .for_each(|kind| metrics.increment_operation(kind));
        assert_eq!(metrics.calls().count(), (0..64).filter(|number| Call::try_from(*number).is_ok()).count());
        assert_eq!(metrics.events().count(), (0..64).filter(|number| Event::try_from(*number).is_ok()).count());
        assert_eq!(metrics.operations().count(), (0..64).filter(|number| Operation::try_from(*number).is_ok()).count());
    }
}
