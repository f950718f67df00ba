//! A state machine that several connections change and that the phases of a run wait for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub struct Shared<T> {
    state: Mutex<T>,
    changed: Notify,
}

#[derive(Debug, thiserror::Error)]
#[error("nothing came of it within {0:?}")]
pub struct Overdue(pub Duration);

impl<T> Shared<T> {
    pub fn new(state: T) -> Self {
        Shared { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Locks the state for reading, or for changes that wake nobody.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes those who wait.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    /// Waits until `wanted` holds.
    ///
    /// # Errors
    ///
    /// Returns `Overdue` after `limit`.
    pub async fn until(&self, limit: Duration, wanted: impl Fn(&T) -> bool) -> Result<(), Overdue> {
        let wait = async {
            loop {
                // The notification is created before the check, so that no change between the two is missed.
                let changed = self.changed.notified();
                if wanted(&self.lock()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, wait).await.map_err(|_| Overdue(limit))
    }
}
