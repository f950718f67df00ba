//! Sets of texts, sorted.

use std::fmt;
use std::sync::Arc;

/// A set of texts. A clone shares its memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set(Arc<[Arc<str>]>);

impl Set {
    /// Creates a set from texts in any order.
    pub fn new<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Self {
        let mut items: Vec<Arc<str>> = items.into_iter().map(|item| Arc::from(item.as_ref())).collect();
        items.sort_unstable();
        items.dedup();
        Set(items.into())
    }

    /// Iterates over the items in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Returns whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the item is in the set.
    pub fn has(&self, item: &str) -> bool {
        self.0.binary_search_by(|own| own.as_ref().cmp(item)).is_ok()
    }

    /// Returns whether all items of `other` are in the set.
    pub fn contains(&self, other: &Set) -> bool {
        other.iter().all(|item| self.has(item))
    }

    /// Returns the items that are in either set.
    pub fn union(&self, other: &Set) -> Set {
        self.union_all([other])
    }

    /// Returns the items of this set and of all the others.
    pub(crate) fn union_all<'a>(&self, others: impl IntoIterator<Item = &'a Set>) -> Set {
        let others = others.into_iter().flat_map(|other| other.0.iter());
        let mut items: Vec<Arc<str>> = self.0.iter().chain(others).cloned().collect();
        items.sort_unstable();
        items.dedup();
        Set(items.into())
    }

    /// Returns the items that are not in `other`.
    pub fn difference(&self, other: &Set) -> Set {
        Set(self.0.iter().filter(|item| !other.has(item)).cloned().collect())
    }
}

impl Default for Set {
    fn default() -> Self {
        Set(Arc::from([]))
    }
}

/// Prints the set as Mesos does: `{a, b}`.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, item) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{item}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
