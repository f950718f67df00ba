//! The threads that detach containers that have ended. A plugin may take long, and the thread that waits for containers must
//! not wait for it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ids::ContainerId;

use super::attachment::Attachments;

/// The maximum of threads. They end when nothing is left to do.
const MAX_THREADS: usize = 8;
/// The number of times that a failed detachment is tried again while the agent runs.
const MAX_RETRIES: u32 = 10;
/// The pause before the first of them. Each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Detaches containers from their networks.
pub(crate) struct Detacher {
    attachments: Arc<Attachments>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread that waits for the next retry.
    changed: Condvar,
}

/// The next attempt to detach a container.
#[derive(Debug, Clone, Copy)]
struct Retry {
    /// The number of retries before it.
    retries: u32,
    due: Instant,
}

#[derive(Default)]
struct State {
    queue: VecDeque<ContainerId>,
    progress: BTreeMap<ContainerId, Progress>,
    threads: usize,
    /// The containers that could not be detached.
    retries: BTreeMap<ContainerId, Retry>,
    /// Whether a thread waits for the next retry.
    retrying: bool,
    /// Whether this agent ends. The next one tries again.
    stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Done,
    /// The directory is kept, by which a retry or the next agent tries again.
    Failed,
}

impl Detacher {
    pub(crate) fn new(attachments: Arc<Attachments>) -> Self {
        Detacher { attachments, shared: Arc::default() }
    }

    /// Begins to detach a container, or looks how far that is. Returns whether it is over. A failure is logged and ends it,
    /// too, since the container itself has ended; the detachment is then tried again from time to time.
    pub(crate) fn detach(&self, id: &ContainerId) -> bool {
        let mut state = self.shared.lock();
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
            let (attachments, shared) = (Arc::clone(&self.attachments), Arc::clone(&self.shared));
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

impl Drop for Detacher {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(attachments: &Arc<Attachments>, shared: &Arc<Shared>) {
    loop {
        let id = {
            let mut state = shared.lock();
            let Some(id) = state.queue.pop_front() else {
                state.threads -= 1;
                return;
            };
            id
        };
        let progress = match attachments.detach(&id) {
            Ok(()) => Progress::Done,
            Err(error) => {
                failed(attachments, &id, 0, &error);
                schedule(attachments, shared, &id, 0);
                Progress::Failed
            }
        };
        shared.lock().progress.insert(id, progress);
    }
}

/// Returns the pause before a retry; `None` after the last one.
fn pause(retries: u32) -> Option<Duration> {
    (retries < MAX_RETRIES).then(|| FIRST_PAUSE.saturating_mul(1 << retries).min(LONGEST_PAUSE))
}

fn failed(attachments: &Attachments, id: &ContainerId, retries: u32, error: &dyn fmt::Display) {
    let directory = attachments.directory(id);
    let kept = directory.display();
    let next = match pause(retries) {
        Some(pause) => format!("the next attempt is in {} s", pause.as_secs()),
        None => "the next start of the agent tries again".to_owned(),
    };
    tracing::error!(%id, "a container has ended and is still attached to a network: {error}; '{kept}' is kept, and {next}");
}

/// Tries again later, on a thread of all retries that ends with the last one.
fn schedule(attachments: &Arc<Attachments>, shared: &Arc<Shared>, id: &ContainerId, retries: u32) {
    let Some(pause) = pause(retries) else { return };
    let mut state = shared.lock();
    state.retries.insert(id.clone(), Retry { retries, due: Instant::now() + pause });
    shared.changed.notify_all();
    if state.retrying || state.stopped {
        return;
    }
    let (attachments, own) = (Arc::clone(attachments), Arc::clone(shared));
    let started = thread::Builder::new().name("retry-network".into()).spawn(move || retry(&attachments, &own));
    match started {
        Ok(_) => state.retrying = true,
        Err(error) => tracing::error!(%error, "containers that are still attached to networks are not detached yet"),
    }
}

fn retry(attachments: &Arc<Attachments>, shared: &Arc<Shared>) {
    while let Some((id, Retry { retries, .. })) = next_retry(shared) {
        match attachments.detach(&id) {
            Ok(()) => {
                tracing::info!(%id, "a container that has ended is detached from its networks at last");
                shared.lock().progress.remove(&id);
            }
            Err(error) => {
                failed(attachments, &id, retries + 1, &error);
                schedule(attachments, shared, &id, retries + 1);
            }
        }
    }
}

/// Waits for the next retry that is due; `None` if none is left, or this agent ends.
fn next_retry(shared: &Shared) -> Option<(ContainerId, Retry)> {
    let mut state = shared.lock();
    loop {
        let next = state.retries.iter().min_by_key(|(_, retry)| retry.due).map(|(id, retry)| (id.clone(), *retry));
        let Some((id, retry)) = next.filter(|_| !state.stopped) else {
            state.retrying = false;
            return None;
        };
        let left = retry.due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            state.retries.remove(&id);
            return Some((id, retry));
        }
        state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

impl fmt::Debug for Detacher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detacher").field("attachments", &self.attachments).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<u64> = (0..).map_while(pause).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    }
}
