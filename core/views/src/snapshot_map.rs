//! An ordered collection whose clones share their contents.
//!
//! A view keeps every kind of entity in one, under a sequence number assigned at its first appearance. Cloning copies
//! one pointer; the first write after a clone copies the list of chunks and the chunk that it changes (the entities
//! themselves are behind `Arc`s).

use std::sync::Arc;

/// The entries of a chunk: few enough that copying a shared chunk is cheap, and enough that the list of chunks of
/// 100,000 entities stays below 2,000 pointers.
const CHUNK: usize = 64;

/// A chunk of entries. The key of its first entry is kept beside them, so that a search reads no other chunk.
#[derive(Debug)]
struct Chunk<V> {
    /// The key of its first entry.
    first: u64,
    entries: Arc<Vec<(u64, V)>>,
}

impl<V> Clone for Chunk<V> {
    fn clone(&self) -> Self {
        Chunk { first: self.first, entries: Arc::clone(&self.entries) }
    }
}

#[derive(Debug)]
pub(crate) struct SnapshotMap<V> {
    /// The chunks. None is empty; keys ascend within a chunk and from chunk to chunk.
    chunks: Arc<Vec<Chunk<V>>>,
    len: usize,
    next: u64,
}

impl<V> Default for SnapshotMap<V> {
    fn default() -> Self {
        SnapshotMap { chunks: Arc::default(), len: 0, next: 0 }
    }
}

impl<V> Clone for SnapshotMap<V> {
    fn clone(&self) -> Self {
        SnapshotMap { chunks: Arc::clone(&self.chunks), len: self.len, next: self.next }
    }
}

impl<V> SnapshotMap<V> {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Iterates over all values in the order in which they were pushed.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.entries.iter()).map(|(_, value)| value)
    }

    pub fn get(&self, key: u64) -> Option<&V> {
        let (chunk, slot) = self.locate(key)?;
        Some(&self.chunks.get(chunk)?.entries.get(slot)?.1)
    }

    fn locate(&self, key: u64) -> Option<(usize, usize)> {
        let index = self.chunks.partition_point(|chunk| chunk.first <= key).checked_sub(1)?;
        let chunk = self.chunks.get(index)?;
        // This is its place as long as no entry before it is removed.
        let place = usize::try_from(key - chunk.first).ok()?;
        if chunk.entries.get(place).is_some_and(|(found, _)| *found == key) {
            return Some((index, place));
        }
        let slot = chunk.entries.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some((index, slot))
    }
}

impl<V: Clone> SnapshotMap<V> {
    /// Appends a value, and returns the key that finds it again.
    pub fn push(&mut self, value: V) -> u64 {
        let key = self.next;
        self.next += 1;
        self.len += 1;
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.last_mut().filter(|chunk| chunk.entries.len() < CHUNK) {
            Some(chunk) => Arc::make_mut(&mut chunk.entries).push((key, value)),
            None => chunks.push(Chunk { first: key, entries: Arc::new(vec![(key, value)]) }),
        }
        key
    }

    /// Returns the value with this key for a change; snapshots keep the value that they have.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let (chunk, slot) = self.locate(key)?;
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(chunk)?;
        Some(&mut Arc::make_mut(&mut chunk.entries).get_mut(slot)?.1)
    }

    /// Removes and returns the value with this key.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        let (at, slot) = self.locate(key)?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = chunks.get_mut(at)?;
        let entries = Arc::make_mut(&mut chunk.entries);
        let (_, value) = entries.remove(slot);
        match entries.first() {
            Some((first, _)) => chunk.first = *first,
            None => drop(chunks.remove(at)),
        }
        self.len -= 1;
        Some(value)
    }

    /// Removes and returns the first value for which `is_it` is true. It visits every entry.
    pub fn remove_where(&mut self, is_it: impl Fn(&V) -> bool) -> Option<V> {
        let (key, _) = self.chunks.iter().flat_map(|chunk| chunk.entries.iter()).find(|(_, value)| is_it(value))?;
        let key = *key;
        self.remove(key)
    }

    /// Removes and returns the oldest value.
    pub fn pop_first(&mut self) -> Option<V> {
        let key = self.chunks.first()?.first;
        self.remove(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u32),
        Change(u64, u32),
        Remove(u64),
        PopFirst,
        RemoveWhere(u32),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => any::<u32>().prop_map(Step::Push),
            2 => (0..400u64, any::<u32>()).prop_map(|(key, value)| Step::Change(key, value)),
            2 => (0..400u64).prop_map(Step::Remove),
            1 => Just(Step::PopFirst),
            1 => any::<u32>().prop_map(Step::RemoveWhere),
            1 => Just(Step::Clone),
        ]
    }

    proptest! {
        /// The collection behaves as an ordered map, and clones keep their contents.
        #[test]
        fn the_map_is_ordered_and_clones_keep_their_contents(steps in prop::collection::vec(step(), 0..400)) {
            let mut map = SnapshotMap::default();
            let mut model = BTreeMap::new();
            let mut clones = Vec::new();
            for step in steps {
                match step {
                    Step::Push(value) => {
                        model.insert(map.push(value), value);
                    }
                    Step::Change(key, value) => {
                        prop_assert_eq!(map.get(key), model.get(&key));
                        if let Some(slot) = map.get_mut(key) {
                            *slot = value;
                            model.insert(key, value);
                        }
                    }
                    Step::Remove(key) => prop_assert_eq!(map.remove(key), model.remove(&key)),
                    Step::PopFirst => prop_assert_eq!(map.pop_first(), model.pop_first().map(|(_, value)| value)),
                    Step::RemoveWhere(bound) => {
                        let key = model.iter().find(|(_, value)| **value < bound).map(|(key, _)| *key);
                        prop_assert_eq!(map.remove_where(|value| *value < bound), key.and_then(|key| model.remove(&key)));
                    }
                    Step::Clone => clones.push((map.clone(), model.clone())),
                }
            }
            clones.push((map, model));
            for (map, model) in clones {
                prop_assert_eq!(map.len(), model.len());
                prop_assert!(map.iter().eq(model.values()));
                prop_assert!(map.iter().rev().eq(model.values().rev()));
            }
        }
    }
}
