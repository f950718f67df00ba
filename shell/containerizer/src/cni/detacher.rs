//! The threads that detach containers that have ended. A plugin may take long, and the thread that waits for containers must
//! not wait for it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use ids::ContainerId;

use super::attachment::Attachments;

/// The maximum of threads. They end when nothing is left to do.
const MAX_THREADS: usize = 8;

/// Detaches containers from their networks.
pub(crate) struct Detacher {
    attachments: Arc<Attachments>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<ContainerId>,
    progress: BTreeMap<ContainerId, Progress>,
    threads: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Done,
    /// The directory is kept, and the next agent tries again.
    Failed,
}

impl Detacher {
    pub(crate) fn new(attachments: Arc<Attachments>) -> Self {
        Detacher { attachments, state: Arc::default() }
    }

    /// Begins to detach a container, or looks how far that is. Returns whether it is over. A failure is logged and ends it,
    /// too, since the container itself has ended.
    pub(crate) fn detach(&self, id: &ContainerId) -> bool {
        let mut state = lock(&self.state);
        match state.progress.get(id) {
            Some(Progress::Waiting) => return false,
            Some(Progress::Failed) => return true,
            Some(Progress::Done) => {
                state.progress.remove(id);
                return true;
            }
            None if !self.attachments.directory(id).exists() => return true,
            None => {}
        }
        state.progress.insert(id.clone(), Progress::Waiting);
        state.queue.push_back(id.clone());
        if state.threads < MAX_THREADS {
            let (attachments, shared) = (Arc::clone(&self.attachments), Arc::clone(&self.state));
            let started =
                thread::Builder::new().name("detach-network".into()).spawn(move || work(&attachments, &shared));
            match started {
                Ok(_) => state.threads += 1,
                // The threads that run do the work. Without any, the next call tries again.
                Err(error) if state.threads == 0 => {
                    tracing::error!(%error, "a container cannot be detached from its networks yet");
                    state.queue.clear();
                    state.progress.remove(id);
                }
                Err(_) => {}
            }
        }
        false
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(attachments: &Attachments, shared: &Mutex<State>) {
    loop {
        let id = {
            let mut state = lock(shared);
            let Some(id) = state.queue.pop_front() else {
                state.threads -= 1;
                return;
            };
            id
        };
        let progress = match attachments.detach(&id) {
            Ok(()) => Progress::Done,
            Err(error) => {
                let directory = attachments.directory(&id);
                let kept = directory.display();
                tracing::error!(%id, "a container has ended and is still attached to a network: {error}; '{kept}' is kept, and the next start of the agent tries again");
                Progress::Failed
            }
        };
        lock(shared).progress.insert(id, progress);
    }
}

impl fmt::Debug for Detacher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detacher").field("attachments", &self.attachments).finish_non_exhaustive()
    }
}
