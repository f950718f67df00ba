//! A bounded record of the events of a span of time; the oldest is dropped first.

use std::collections::VecDeque;
use std::time::Duration;

use model::Monotonic;

#[derive(Debug, Clone)]
pub(crate) struct SlidingWindow<T> {
    /// The events with the time until which each counts, since their own time may lie before the clock began.
    items: VecDeque<(Monotonic, T)>,
    span: Duration,
    most: usize,
}

impl<T> SlidingWindow<T> {
    pub fn new(span: Duration, most: usize) -> Self {
        SlidingWindow { items: VecDeque::new(), span, most }
    }

    pub fn push(&mut self, now: Monotonic, item: T) {
        self.push_aged(now, Duration::ZERO, item);
    }

    /// Adds an event of a given age; it is newer than all events that are recorded.
    pub fn push_aged(&mut self, now: Monotonic, age: Duration, item: T) {
        self.forget(now);
        let Some(left) = self.span.checked_sub(age) else { return };
        if self.items.len() >= self.most {
            self.items.pop_front();
        }
        self.items.push_back((now + left, item));
    }

    pub fn forget(&mut self, now: Monotonic) {
        while self.items.front().is_some_and(|(until, _)| *until < now) {
            self.items.pop_front();
        }
    }

    pub fn clear(&mut self) {
        self.items.clear();
    }

    pub fn iter(&self, now: Monotonic) -> impl Iterator<Item = &T> {
        self.current(now).map(|(_, item)| item)
    }

    /// Iterates over the times of the events.
    pub fn times(&self, now: Monotonic) -> impl Iterator<Item = Monotonic> {
        self.current(now).map(|(until, _)| *until - self.span)
    }

    pub fn count(&self, now: Monotonic) -> usize {
        self.iter(now).count()
    }

    fn current(&self, now: Monotonic) -> impl Iterator<Item = &(Monotonic, T)> {
        self.items.iter().filter(move |(until, _)| *until >= now)
    }
}
