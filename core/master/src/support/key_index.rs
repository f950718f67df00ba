//! Indices that find several values by one key.

use std::collections::{BTreeMap, BTreeSet};

/// Removes a value of a key; a key without values leaves the index.
pub(crate) fn remove_from_index<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}
