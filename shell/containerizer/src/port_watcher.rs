//! Compares the ports that containers listen on with those of their resources, at an interval, on a thread of its own
//! (`NetworkPortsIsolatorProcess` of Mesos).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use ids::ContainerId;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::cgroups::ContainerCgroups;
use crate::config::PortsConfig;
use crate::kernel::{Kernel, SystemKernel};
use crate::{Limitation, LimitationKind};

/// Inclusive ranges of ports.
type Ranges = Vec<(u16, u16)>;

/// The containers that are watched, and the thread. The thread starts with the first container and ends with this value.
pub(crate) struct PortWatcher {
    shared: Arc<Shared>,
    config: PortsConfig,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    containers: BTreeMap<ContainerId, Watched>,
    runs: bool,
    stopped: bool,
}

struct Watched {
    cgroups: ContainerCgroups,
    /// The ports of its resources; `None` while they are not known.
    allocated: Option<Ranges>,
    /// The ports that were found and logged last.
    reported: BTreeSet<u16>,
    violation: Option<Limitation>,
    /// The pipe whose end is closed to report a violation. A closed pipe wakes up a poller once.
    report: Option<OwnedFd>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortWatcher {
    pub(crate) fn new(config: &PortsConfig) -> Self {
        PortWatcher { shared: Arc::default(), config: config.clone() }
    }

    /// Adds a container. Its ports are compared after one interval.
    pub(crate) fn add(&self, id: &ContainerId, cgroups: &ContainerCgroups, allocated: Option<Ranges>) {
        let watched =
            Watched { cgroups: cgroups.clone(), allocated, reported: BTreeSet::new(), violation: None, report: None };
        let mut state = self.shared.lock();
        state.containers.insert(id.clone(), watched);
        if !state.runs {
            let (shared, config) = (Arc::clone(&self.shared), self.config.clone());
            match thread::Builder::new().name("ports".into()).spawn(move || run(&shared, &config)) {
                Ok(_) => state.runs = true,
                Err(error) => tracing::error!(%error, "the ports of containers are not checked"),
            }
        }
    }

    pub(crate) fn remove(&self, id: &ContainerId) {
        self.shared.lock().containers.remove(id);
    }

    pub(crate) fn set_ports(&self, id: &ContainerId, ports: Ranges) {
        if let Some(watched) = self.shared.lock().containers.get_mut(id) {
            watched.allocated = Some(ports);
        }
    }

    pub(crate) fn violation(&self, id: &ContainerId) -> Option<Limitation> {
        self.shared.lock().containers.get(id)?.violation.clone()
    }

    /// Returns a descriptor that becomes readable when the container listens on a port that is not its own, and is to be
    /// ended for it.
    ///
    /// # Errors
    /// Returns the error of pipe(2).
    pub(crate) fn watch(&self, id: &ContainerId) -> std::io::Result<Option<OwnedFd>> {
        let mut state = self.shared.lock();
        let Some(watched) = state.containers.get_mut(id) else { return Ok(None) };
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        watched.report = Some(write).filter(|_| watched.violation.is_none());
        Ok(Some(read))
    }
}

impl Drop for PortWatcher {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

/// Compares at every interval until the watcher is dropped.
fn run(shared: &Shared, config: &PortsConfig) {
    let mut state = shared.lock();
    let mut due = Instant::now() + config.watch_interval;
    while !state.stopped {
        let now = Instant::now();
        if now < due {
            let waited = shared.changed.wait_timeout(state, due - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let containers: Vec<(ContainerId, ContainerCgroups)> =
            state.containers.iter().map(|(id, watched)| (id.clone(), watched.cgroups.clone())).collect();
        drop(state);
        let listening = listening_sockets();
        let found: Vec<(ContainerId, BTreeSet<u16>)> =
            containers.into_iter().map(|(id, cgroups)| (id, ports_of(&cgroups, &listening))).collect();
        state = shared.lock();
        for (id, mut ports) in found {
            ports.retain(|port| config.isolated.as_ref().is_none_or(|isolated| contains(isolated, *port)));
            if let Some(watched) = state.containers.get_mut(&id) {
                watched.compare(&id, ports, config.enforced);
            }
        }
        due = Instant::now() + config.watch_interval;
    }
}

impl Watched {
    fn compare(&mut self, id: &ContainerId, ports: BTreeSet<u16>, enforced: bool) {
        let Some(allocated) = &self.allocated else { return };
        let wrong: BTreeSet<u16> = ports.iter().copied().filter(|port| !contains(allocated, *port)).collect();
        if wrong.is_empty() || self.violation.is_some() || wrong == self.reported {
            return;
        }
        let ranges = ranges(&wrong);
        let message = format!("Container {id} is listening on unallocated port(s): {}", format_ranges(&ranges));
        tracing::info!("{message}");
        self.reported = wrong;
        if enforced {
            self.violation = Some(Limitation { kind: LimitationKind::Ports { ports: ranges }, message });
            drop(self.report.take());
        }
    }
}

fn contains(ranges: &[(u16, u16)], port: u16) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&port))
}

/// Joins neighbouring ports.
fn ranges(ports: &BTreeSet<u16>) -> Ranges {
    let mut ranges: Ranges = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*port) => *last = *port,
            _ => ranges.push((*port, *port)),
        }
    }
    ranges
}

/// Writes ranges as Mesos does.
fn format_ranges(ranges: &[(u16, u16)]) -> String {
    let texts: Vec<String> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
    format!("[{}]", texts.join(", "))
}

/// Returns the ports of the listening TCP sockets in the network of the agent, by inode (proc_pid_net(5)). Sockets of IPv6
/// count as well, since they usually take connections of IPv4, too.
fn listening_sockets() -> HashMap<u64, u16> {
    let mut found = HashMap::new();
    for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        match std::fs::read_to_string(path) {
            Ok(table) => found.extend(table.lines().skip(1).filter_map(listening_socket)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!(%error, "the ports of containers cannot be checked: cannot read {path}"),
        }
    }
    found
}

fn listening_socket(line: &str) -> Option<(u64, u16)> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace();
    let port = u16::from_str_radix(fields.nth(1)?.rsplit_once(':')?.1, 16).ok()?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    Some((fields.nth(5)?.parse().ok()?, port))
}

/// Returns the listening ports of the processes in a cgroup and those below it. Processes may end meanwhile.
fn ports_of(cgroups: &ContainerCgroups, listening: &HashMap<u64, u16>) -> BTreeSet<u16> {
    let kernel: &dyn Kernel = &SystemKernel;
    let pids = if listening.is_empty() { Vec::new() } else { cgroups.pids(kernel) };
    let descriptors =
        pids.iter().filter_map(|pid| std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).ok());
    let links = descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let inode = |link: std::path::PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    links.filter_map(inode).filter_map(|inode: u64| listening.get(&inode).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_count() {
        let line = |state: &str| {
            format!(
                "   0: 00000000:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0"
            )
        };
        assert_eq!(listening_socket(&line("0A")), Some((4711, 8080)));
        assert_eq!(listening_socket(&line("01")), None);
        let v6 = "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 10 0";
        assert_eq!(listening_socket(v6), Some((99, 22)));
        for wrong in ["", "0:", "   0: 0:ZZ 0 0A"] {
            assert_eq!(listening_socket(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ports_are_written_as_ranges() {
        let ports = BTreeSet::from([31000, 31001, 8080, 65535]);
        assert_eq!(format_ranges(&ranges(&ports)), "[8080-8080, 31000-31001, 65535-65535]");
        assert!(contains(&[(1, 3)], 3) && !contains(&[(1, 3)], 4));
    }
}
