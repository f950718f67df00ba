//! The directories of containers that have a project, and the thread that looks for exceeded limits.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ids::ContainerId;
use rustix::pipe::{PipeFlags, pipe_with};

use super::usage_of;

/// One directory of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackedDirectory {
    /// The directory.
    pub path: PathBuf,
    /// Its project.
    pub project: u32,
    /// Its limit in bytes; `None` if it has none.
    pub limit: Option<u64>,
    /// The id of the persistent volume; `None` for the sandbox.
    pub volume: Option<String>,
}

/// An exceeded limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The usage in bytes.
    pub used: u64,
    /// The limit in bytes.
    pub limit: u64,
    /// The id of the persistent volume; `None` for the sandbox.
    pub volume: Option<String>,
}

#[derive(Debug, Default)]
struct Tracked {
    directories: Vec<TrackedDirectory>,
    violation: Option<Violation>,
    /// The pipe whose end is closed to report a violation. A closed pipe wakes up a poller once.
    report: Option<OwnedFd>,
}

#[derive(Debug, Default)]
struct State {
    containers: BTreeMap<ContainerId, Tracked>,
    runs: bool,
    stopped: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directories of all containers. With `interval`, a thread compares their usage with their limits; it starts with the
/// first container and ends with this value.
#[derive(Debug)]
pub(crate) struct QuotaWatcher {
    shared: Arc<Shared>,
    interval: Option<Duration>,
}

impl QuotaWatcher {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        QuotaWatcher { shared: Arc::default(), interval }
    }

    /// Adds a directory of a container, or replaces its limit.
    pub(crate) fn track(&self, id: &ContainerId, directory: TrackedDirectory) {
        let mut state = self.shared.lock();
        let directories = &mut state.containers.entry(id.clone()).or_default().directories;
        directories.retain(|other| other.path != directory.path);
        directories.push(directory);
        if let (Some(interval), false) = (self.interval, state.runs) {
            let shared = Arc::clone(&self.shared);
            match thread::Builder::new().name("disk-quota".into()).spawn(move || run(&shared, interval)) {
                Ok(_) => state.runs = true,
                Err(error) => tracing::error!(%error, "containers that exceed their disk quota are not ended"),
            }
        }
    }

    /// Returns the directories of a container, the sandbox first.
    pub(crate) fn directories(&self, id: &ContainerId) -> Vec<TrackedDirectory> {
        let state = self.shared.lock();
        let mut found = state.containers.get(id).map(|tracked| tracked.directories.clone()).unwrap_or_default();
        found.sort_by(|one, other| one.volume.cmp(&other.volume));
        found
    }

    /// Forgets a container.
    pub(crate) fn remove(&self, id: &ContainerId) {
        self.shared.lock().containers.remove(id);
    }

    /// Returns the limit that a container has exceeded.
    pub(crate) fn violation(&self, id: &ContainerId) -> Option<Violation> {
        self.shared.lock().containers.get(id)?.violation.clone()
    }

    /// Returns a descriptor that becomes readable when a limit has been exceeded; `None` if nothing looks for it.
    ///
    /// # Errors
    /// Returns the error of pipe(2).
    pub(crate) fn watch(&self, id: &ContainerId) -> std::io::Result<Option<OwnedFd>> {
        let mut state = self.shared.lock();
        let Some(tracked) = state.containers.get_mut(id).filter(|_| self.interval.is_some()) else { return Ok(None) };
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        tracked.report = Some(write).filter(|_| tracked.violation.is_none());
        Ok(Some(read))
    }
}

impl Drop for QuotaWatcher {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

/// Looks at all containers once in each interval until the watcher is dropped.
fn run(shared: &Shared, interval: Duration) {
    let mut state = shared.lock();
    let mut due = Instant::now() + interval;
    while !state.stopped {
        let pause = due.saturating_duration_since(Instant::now());
        if !pause.is_zero() {
            state = shared.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let limited: Vec<(ContainerId, TrackedDirectory)> = state
            .containers
            .iter()
            .flat_map(|(id, tracked)| tracked.directories.iter().map(move |directory| (id.clone(), directory.clone())))
            .filter(|(_, directory)| directory.limit.is_some())
            .collect();
        drop(state);
        for (id, directory) in limited {
            match usage_of(&directory.path, directory.project) {
                Ok(used) => shared.lock().compare(&id, &directory, used),
                Err(error) => tracing::warn!(%id, %error, "the disk usage of a container cannot be read"),
            }
        }
        state = shared.lock();
        due = Instant::now() + interval;
    }
}

impl State {
    fn compare(&mut self, id: &ContainerId, directory: &TrackedDirectory, used: u64) {
        let Some(tracked) = self.containers.get_mut(id).filter(|tracked| tracked.violation.is_none()) else { return };
        if let Some(limit) = directory.limit.filter(|limit| used > *limit) {
            tracked.violation = Some(Violation { used, limit, volume: directory.volume.clone() });
            drop(tracked.report.take());
        }
    }
}
