//! Bounded memory of what is over: the newest entries are kept.

use crate::series::Series;

#[derive(Debug)]
pub(crate) struct History<V> {
    entries: Series<V>,
    limit: usize,
}

impl<V> Clone for History<V> {
    fn clone(&self) -> Self {
        History { entries: self.entries.clone(), limit: self.limit }
    }
}

impl<V: Clone> History<V> {
    pub fn new(limit: usize) -> Self {
        History { entries: Series::default(), limit }
    }

    /// Returns what fell out at the other end.
    pub fn push(&mut self, value: V) -> Option<V> {
        self.entries.push(value);
        if self.entries.len() > self.limit { self.entries.pop_first() } else { None }
    }

    pub fn entries(&self) -> &Series<V> {
        &self.entries
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.entries.iter()
    }

    pub fn remove_where(&mut self, is_it: impl Fn(&V) -> bool) -> Option<V> {
        self.entries.remove_where(is_it)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
