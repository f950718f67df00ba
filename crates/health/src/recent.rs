//! What happened within a span of time: bounded, the oldest is forgotten first.

use std::collections::VecDeque;
use std::time::Duration;

use vocabulary::Monotonic;

#[derive(Debug, Clone)]
pub(crate) struct Recent<T> {
    items: VecDeque<(Monotonic, T)>,
    span: Duration,
    most: usize,
}

impl<T> Recent<T> {
    pub fn new(span: Duration, most: usize) -> Self {
        Recent { items: VecDeque::new(), span, most }
    }

    pub fn push(&mut self, now: Monotonic, item: T) {
        self.forget(now);
        if self.items.len() >= self.most {
            self.items.pop_front();
        }
        self.items.push_back((now, item));
    }

    pub fn forget(&mut self, now: Monotonic) {
        while self.items.front().is_some_and(|(at, _)| now.since(*at) > self.span) {
            self.items.pop_front();
        }
    }

    pub fn clear(&mut self) {
        self.items.clear();
    }

    pub fn iter(&self, now: Monotonic) -> impl Iterator<Item = &T> {
        self.items.iter().filter(move |(at, _)| now.since(*at) <= self.span).map(|(_, item)| item)
    }

    pub fn count(&self, now: Monotonic) -> usize {
        self.iter(now).count()
    }
}
