//! The view of an agent between the core that changes it and its readers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::agent::Change;
use views::agent::{Snapshot, View};

/// The view of an agent behind a lock.
pub struct Publisher(Mutex<View>);

impl Publisher {
    /// Makes the publisher of `view`.
    pub fn new(view: View) -> Arc<Self> {
        Arc::new(Publisher(Mutex::new(view)))
    }

    /// Returns a snapshot of the view.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().snapshot()
    }

    /// Applies the changes of a batch and empties `changes`.
    pub fn publish(&self, changes: &mut Vec<Change>) {
        let mut view = self.lock();
        for change in changes.drain(..) {
            view.apply(&change);
        }
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
