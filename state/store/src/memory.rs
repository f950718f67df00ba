//! A store in memory, for tests, for `--registry=in_memory`, and for simulated clusters, whose masters share one memory
//! through clones of the store. The content ends with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Entries, Error, RecordWrite, Store};

/// The access of one contender to the memory. A clone is another contender, which cannot write before it has taken the
/// store over.
#[derive(Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    /// The epoch that this contender has begun.
    epoch: u64,
}

#[derive(Debug, Default)]
struct Shared {
    epoch: u64,
    entries: Entries,
}

impl MemoryStore {
    /// Returns an empty store.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        MemoryStore { shared: self.shared.clone(), epoch: 0 }
    }
}

impl Store for MemoryStore {
    fn take_over(&mut self) -> Result<Entries, Error> {
        let mut shared = self.lock();
        shared.epoch += 1;
        let (epoch, entries) = (shared.epoch, shared.entries.clone());
        drop(shared);
        self.epoch = epoch;
        Ok(entries)
    }

    fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), Error> {
        let mut shared = self.lock();
        if self.epoch == 0 || shared.epoch != self.epoch {
            return Err(Error::Fenced);
        }
        for RecordWrite { key, value } in writes {
            match value {
                Some(value) => drop(shared.entries.insert(key.clone(), value.clone())),
                None => drop(shared.entries.remove(key)),
            }
        }
        Ok(())
    }
}
