//! Bounded memory of what is over: the newest entries are kept.

use crate::snapshot_map::SnapshotMap;

#[derive(Debug)]
pub(crate) struct History<V> {
    entries: SnapshotMap<V>,
    limit: usize,
}

impl<V> Clone for History<V> {
    fn clone(&self) -> Self {
        History { entries: self.entries.clone(), limit: self.limit }
    }
}

impl<V: Clone> History<V> {
    pub fn new(limit: usize) -> Self {
        History { entries: SnapshotMap::default(), limit }
    }

    /// Returns the key that finds the value again, and what fell out at the other end.
    pub fn push(&mut self, value: V) -> (u64, Option<V>) {
        let key = self.entries.push(value);
        (key, if self.entries.len() > self.limit { self.entries.pop_first() } else { None })
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.entries.iter()
    }

    pub fn remove(&mut self, key: u64) -> Option<V> {
        self.entries.remove(key)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
