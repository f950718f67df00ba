//! A vector with stable indices that reuses freed entries.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// The index of a `T` in its [`Slab`].
pub(crate) struct Ix<T>(u32, PhantomData<fn() -> T>);

pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub fn insert(&mut self, value: T) -> Ix<T> {
        if let Some(index) = self.free.pop() {
            if let Some(entry) = self.entries.get_mut(index as usize) {
                *entry = Some(value);
            }
            return Ix(index, PhantomData);
        }
        let index = self.entries.len() as u32;
        self.entries.push(Some(value));
        Ix(index, PhantomData)
    }

    pub fn remove(&mut self, ix: Ix<T>) -> Option<T> {
        let value = self.entries.get_mut(ix.0 as usize)?.take();
        if value.is_some() {
            self.free.push(ix.0);
        }
        value
    }

    pub fn get(&self, ix: Ix<T>) -> Option<&T> {
        self.entries.get(ix.0 as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, ix: Ix<T>) -> Option<&mut T> {
        self.entries.get_mut(ix.0 as usize)?.as_mut()
    }

    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Ix<T>, &T)> {
        (0u32..).zip(&self.entries).filter_map(|(i, entry)| Some((Ix(i, PhantomData), entry.as_ref()?)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Ix<T>, &mut T)> {
        (0u32..).zip(&mut self.entries).filter_map(|(i, entry)| Some((Ix(i, PhantomData), entry.as_mut()?)))
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T> Ix<T> {
    pub fn number(self) -> u64 {
        u64::from(self.0)
    }
}

// The trait is implemented by hand, since deriving it would require the same of `T`.
impl<T> Clone for Ix<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ix<T> {}

impl<T> PartialEq for Ix<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Ix<T> {}

impl<T> PartialOrd for Ix<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Ix<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<T> Hash for Ix<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> fmt::Debug for Ix<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
