//! A bounded history that keeps the newest entries.

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
    /// Creates a history that keeps `limit` values.
    pub fn new(limit: usize) -> Self {
        History { entries: SnapshotMap::default(), limit }
    }

    /// Appends a value. Returns the key that finds it again, and the oldest value if that had to be dropped.
    pub fn push(&mut self, value: V) -> (u64, Option<V>) {
        let key = self.entries.push(value);
        (key, if self.entries.len() > self.limit { self.entries.pop_first() } else { None })
    }

    /// Returns the value with this key; `None` if it was removed or dropped.
    pub fn get(&self, key: u64) -> Option<&V> {
        self.entries.get(key)
    }

    /// Iterates over the values, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.entries.iter()
    }

    /// Removes and returns the oldest value for which `is_it` is true.
    pub fn remove_where(&mut self, is_it: impl Fn(&V) -> bool) -> Option<V> {
        self.entries.remove_where(is_it)
    }

    /// Removes and returns the value with this key.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        self.entries.remove(key)
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
