//! All sessions of an agent, by their containers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::ContainerId;

use super::{ContainerEnds, Session};

/// The sessions whose containers have not ended. Clones are the same table.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<ContainerId, Arc<Session>>>>);

impl Sessions {
    /// Adds the session of a container that is about to be launched. Returns false if the container has one.
    pub fn insert(&self, id: &ContainerId, session: Arc<Session>) -> bool {
        match self.lock().entry(id.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(session);
                true
            }
        }
    }

    /// Returns the session of a container; `None` if it has none or has ended.
    pub fn get(&self, id: &ContainerId) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    /// Takes the ends of the streams for a container that is being started.
    pub fn take_ends(&self, id: &ContainerId) -> Option<ContainerEnds> {
        self.get(id)?.take_container_ends()
    }

    /// Writes the output of a session to these files as well.
    pub fn record(&self, id: &ContainerId, files: [File; 2]) {
        if let Some(session) = self.get(id) {
            session.record(files);
        }
    }

    /// Removes the session of a container that has ended or was not started.
    pub fn end(&self, id: &ContainerId) {
        let ended = self.lock().remove(id);
        if let Some(session) = ended {
            session.end();
        }
    }

    /// Removes a session if it is still that of its container.
    pub fn end_session(&self, id: &ContainerId, session: &Arc<Session>) {
        let mut sessions = self.lock();
        if sessions.get(id).is_some_and(|other| Arc::ptr_eq(other, session)) {
            sessions.remove(id);
        }
        drop(sessions);
        session.end();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
