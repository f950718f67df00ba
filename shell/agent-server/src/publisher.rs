//! The view of an agent between the core that changes it and those who read it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::agent::Change;
use views::agent::{Snapshot, View};

pub struct Publisher(Mutex<View>);

impl Publisher {
    pub fn new(view: View) -> Arc<Self> {
        Arc::new(Publisher(Mutex::new(view)))
    }

    pub fn snapshot(&self) -> Snapshot {
        self.lock().snapshot()
    }

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
