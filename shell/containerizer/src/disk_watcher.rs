//! Measures the disk space of sandboxes, one after the other, on a thread of its own: a large sandbox takes long.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ids::ContainerId;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::disk_usage::disk_usage;

/// The sandboxes that are measured, and the thread. The thread starts with the first sandbox and ends with this value.
pub(crate) struct DiskWatcher {
    shared: Arc<Shared>,
    interval: Duration,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    sandboxes: BTreeMap<ContainerId, Sandbox>,
    runs: bool,
    stopped: bool,
}

struct Sandbox {
    path: PathBuf,
    /// The limit in bytes; `None` if it is not enforced.
    quota: Option<u64>,
    due: Instant,
    used: Option<u64>,
    /// The usage and the limit that it exceeded.
    violation: Option<(u64, u64)>,
    /// The pipe whose end is closed to report a violation. A closed pipe wakes up a poller once.
    report: Option<OwnedFd>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskWatcher {
    pub(crate) fn new(interval: Duration) -> Self {
        DiskWatcher { shared: Arc::default(), interval }
    }

    /// Adds a sandbox, which is measured after one interval.
    pub(crate) fn add(&self, id: &ContainerId, path: &Path, quota: Option<u64>) {
        let due = Instant::now() + self.interval;
        let sandbox = Sandbox { path: path.to_owned(), quota, due, used: None, violation: None, report: None };
        let mut state = self.shared.lock();
        state.sandboxes.insert(id.clone(), sandbox);
        if !state.runs {
            let (shared, interval) = (Arc::clone(&self.shared), self.interval);
            let started = thread::Builder::new().name("disk-usage".into()).spawn(move || run(&shared, interval));
            match started {
                Ok(_) => state.runs = true,
                Err(error) => tracing::error!(%error, "the disk usage of containers is not measured"),
            }
        }
        self.shared.changed.notify_all();
    }

    pub(crate) fn remove(&self, id: &ContainerId) {
        self.shared.lock().sandboxes.remove(id);
    }

    pub(crate) fn set_quota(&self, id: &ContainerId, quota: Option<u64>) {
        if let Some(sandbox) = self.shared.lock().sandboxes.get_mut(id) {
            sandbox.quota = quota;
        }
    }

    /// Returns the disk space that a sandbox used when it was last measured.
    pub(crate) fn used(&self, id: &ContainerId) -> Option<u64> {
        self.shared.lock().sandboxes.get(id)?.used
    }

    /// Returns the usage and the limit that it exceeded, in bytes.
    pub(crate) fn violation(&self, id: &ContainerId) -> Option<(u64, u64)> {
        self.shared.lock().sandboxes.get(id)?.violation
    }

    /// Returns a descriptor that becomes readable when the limit has been exceeded.
    ///
    /// # Errors
    /// Returns the error of pipe(2).
    pub(crate) fn watch(&self, id: &ContainerId) -> std::io::Result<Option<OwnedFd>> {
        let mut state = self.shared.lock();
        let Some(sandbox) = state.sandboxes.get_mut(id) else { return Ok(None) };
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        sandbox.report = Some(write).filter(|_| sandbox.violation.is_none());
        Ok(Some(read))
    }
}

impl Drop for DiskWatcher {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

/// Measures what is due until the watcher is dropped.
fn run(shared: &Shared, interval: Duration) {
    let mut state = shared.lock();
    while !state.stopped {
        let now = Instant::now();
        let next = state.sandboxes.iter().min_by_key(|(_, sandbox)| sandbox.due);
        let (id, path) = match next {
            Some((id, sandbox)) if sandbox.due <= now => (id.clone(), sandbox.path.clone()),
            next => {
                let pause = next.map_or(interval, |(_, sandbox)| sandbox.due - now);
                let waited = shared.changed.wait_timeout(state, pause);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
        };
        drop(state);
        let measured = disk_usage(&path);
        state = shared.lock();
        let Some(sandbox) = state.sandboxes.get_mut(&id) else { continue };
        sandbox.due = Instant::now() + interval;
        match measured {
            Ok(used) => sandbox.measured(used),
            Err(error) => tracing::warn!(%id, %error, "the disk usage of a container cannot be measured"),
        }
    }
}

impl Sandbox {
    fn measured(&mut self, used: u64) {
        self.used = Some(used);
        if let Some(quota) = self.quota.filter(|quota| used > *quota && self.violation.is_none()) {
            self.violation = Some((used, quota));
            drop(self.report.take());
        }
    }
}
