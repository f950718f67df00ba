//! The thread that counts the events of all containers for a while in each interval, as Mesos does.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ids::ContainerId;
use rustix::fs::{Mode, OFlags};

use super::PerfEvent;
use super::counter::Counter;
use crate::PerfUsage;

/// The bound of counters at the same time. Containers beyond it wait for the next group of the same interval.
const MAX_COUNTERS: usize = 4096;

/// The counters of a cgroup: for each event, by the name of its field, one per processor.
type EventCounters = Vec<(&'static str, Vec<Counter>)>;

#[derive(Debug, Default)]
struct State {
    cgroups: BTreeMap<ContainerId, PathBuf>,
    usages: BTreeMap<ContainerId, PerfUsage>,
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

    /// Waits for a time; returns whether the sampler has ended meanwhile.
    fn is_stopped_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        loop {
            let pause = deadline.saturating_duration_since(Instant::now());
            if state.stopped || pause.is_zero() {
                return state.stopped;
            }
            state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Counts events of containers. The thread starts with the first container and ends with this value.
#[derive(Debug)]
pub(crate) struct PerfSampler {
    shared: Arc<Shared>,
    events: Vec<PerfEvent>,
    interval: Duration,
    duration: Duration,
}

impl PerfSampler {
    /// Makes a sampler that counts for `duration` in each `interval`.
    pub(crate) fn new(events: Vec<PerfEvent>, interval: Duration, duration: Duration) -> Self {
        PerfSampler { shared: Arc::default(), events, interval, duration }
    }

    /// Adds a container, of whose cgroup the events are counted.
    pub(crate) fn add(&self, id: &ContainerId, cgroup: &Path) {
        if self.events.is_empty() {
            return;
        }
        let mut state = self.shared.lock();
        state.cgroups.insert(id.clone(), cgroup.to_owned());
        if !state.runs {
            let (shared, events) = (Arc::clone(&self.shared), self.events.clone());
            let (interval, duration) = (self.interval, self.duration);
            let run = move || run(&shared, &events, interval, duration);
            match thread::Builder::new().name("perf-sampler".into()).spawn(run) {
                Ok(_) => state.runs = true,
                Err(error) => tracing::error!(%error, "performance events of containers are not counted"),
            }
        }
    }

    /// Forgets a container.
    pub(crate) fn remove(&self, id: &ContainerId) {
        let mut state = self.shared.lock();
        state.cgroups.remove(id);
        state.usages.remove(id);
    }

    /// Returns the latest counts of a container; `None` before the first.
    pub(crate) fn usage(&self, id: &ContainerId) -> Option<PerfUsage> {
        self.shared.lock().usages.get(id).cloned()
    }
}

impl Drop for PerfSampler {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

fn run(shared: &Shared, events: &[PerfEvent], interval: Duration, duration: Duration) {
    let processors = online_processors();
    let at_once = (MAX_COUNTERS / (events.len() * processors.len()).max(1)).max(1);
    loop {
        let begun = Instant::now();
        let cgroups: Vec<(ContainerId, PathBuf)> =
            shared.lock().cgroups.iter().map(|(id, path)| (id.clone(), path.clone())).collect();
        for group in cgroups.chunks(at_once) {
            if sample(shared, events, &processors, group, duration) {
                return;
            }
        }
        if shared.is_stopped_within(interval.saturating_sub(begun.elapsed())) {
            return;
        }
    }
}

/// Counts the events of some containers for a time; returns whether the sampler has ended meanwhile.
fn sample(
    shared: &Shared,
    events: &[PerfEvent],
    processors: &[i32],
    containers: &[(ContainerId, PathBuf)],
    duration: Duration,
) -> bool {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let begun = Instant::now();
    // The cgroup of a container that is about to end may be gone.
    let counters: Vec<(&ContainerId, EventCounters)> = containers
        .iter()
        .filter_map(|(id, cgroup)| match open(events, processors, cgroup) {
            Ok(counters) => Some((id, counters)),
            Err(error) => {
                tracing::debug!(%id, %error, "the performance events of a container cannot be counted");
                None
            }
        })
        .collect();
    let stopped = shared.is_stopped_within(duration);
    let duration = begun.elapsed().as_secs_f64();
    for (id, counters) in counters {
        let sum = |counters: &[Counter]| counters.iter().map(Counter::value).sum::<io::Result<f64>>().ok();
        let values = counters.iter().filter_map(|(field, counters)| Some((*field, sum(counters)?))).collect();
        let mut state = shared.lock();
        if state.cgroups.contains_key(id) {
            state.usages.insert(id.clone(), PerfUsage { timestamp, duration, values });
        }
    }
    stopped
}

/// Opens the counters of a cgroup: one for each event and processor.
fn open(events: &[PerfEvent], processors: &[i32], cgroup: &Path) -> io::Result<EventCounters> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory: OwnedFd = rustix::fs::open(cgroup, flags, Mode::empty())?;
    let of_event = |event: &PerfEvent| {
        let one = |processor: &i32| Counter::of_cgroup(event, directory.as_fd(), *processor);
        Ok((event.field, processors.iter().map(one).collect::<io::Result<_>>()?))
    };
    events.iter().map(of_event).collect()
}

/// Returns the numbers of the processors that run, e.g. from `0-3,8`.
fn online_processors() -> Vec<i32> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let found = processors(&text);
    if found.is_empty() { vec![0] } else { found }
}

fn processors(text: &str) -> Vec<i32> {
    /// More processors than Linux supports.
    const MAX: i32 = 1 << 14;
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (i32, i32) = (first.parse().ok()?, last.parse().ok()?);
        Some(first..=last.min(MAX))
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_ranges() {
        assert_eq!(processors("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(processors("0\n"), [0]);
        assert_eq!(processors("none"), [0i32; 0]);
    }
}
