//! `cgroups/mem`: a limit of memory, and the kernel's notification that it was reached.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ids::ContainerId;
use rustix::event::{EventfdFlags, eventfd};

use super::{Cause, ContainerContext, Isolator};
use crate::cgroups::{ContainerCgroups, Controller, Version, memory_report};
use crate::kernel::Kernel;
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch, Limitation, LimitationKind, Limits, Usage};

/// The maximum of the time for which the kernel's choice of a process is waited for.
const LONGEST_CHOICE: Duration = Duration::from_millis(200);
/// The pause between two looks at its counter.
const PAUSE: Duration = Duration::from_millis(2);

/// Limits the memory of containers, and finds those that exceed it.
#[derive(Debug, Default)]
pub(super) struct CgroupsMem {
    /// `--cgroups_limit_swap`: whether memory and swap are limited together.
    swap: bool,
    /// The memory that each container with a v2 cgroup is promised, in bytes.
    promised: Mutex<BTreeMap<ContainerId, u64>>,
}

impl Isolator for CgroupsMem {
    fn name(&self) -> &'static str {
        "cgroups/mem"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        self.limit(container, &launch.limits, true)
    }

    fn watch(&self, container: &ContainerContext<'_>) -> io::Result<Option<OwnedFd>> {
        match container.cgroups.and_then(|cgroups| cgroups.location(Controller::Memory)) {
            None => Ok(None),
            Some((Version::V1, path)) => eventfd_v1(container.kernel, path).map(Some),
            // The kernel marks these files as changed. The first one exists since Linux 5.2.
            Some((Version::V2, path)) => File::open(path.join("memory.events.local"))
                .or_else(|_| File::open(path.join("memory.events")))
                .map(|file| Some(file.into())),
        }
    }

    fn limitation(&self, container: &ContainerContext<'_>, cause: Cause<'_>) -> Option<Limitation> {
        let cgroups = container.cgroups?;
        let reached = match cause {
            Cause::Notified(watch) => is_out_of_memory(container.kernel, cgroups, watch),
            Cause::Ended => cgroups.oom_kills(container.kernel) > 0,
        };
        // The report reads the log of the kernel, which takes longer than the end of a container.
        let (limit, message) = reached.then(|| memory_report(cgroups, container.kernel))??;
        Some(Limitation { kind: LimitationKind::Memory { limit }, message })
    }

    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        self.limit(container, limits, false)
    }

    fn cleanup(&self, container: &ContainerContext<'_>) -> io::Result<()> {
        self.protect(container, None);
        Ok(())
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        if let Some(cgroups) = container.cgroups {
            cgroups.memory_use(container.kernel, usage);
        }
    }
}

impl CgroupsMem {
    pub(super) fn new(swap: bool) -> Self {
        CgroupsMem { swap, ..CgroupsMem::default() }
    }

    /// Sets the protected memory of the cgroups above all containers to the sum of what these are promised. The protection
    /// of a cgroup counts only up to that of the cgroup above (cgroup v2 documentation, "memory.low").
    fn protect(&self, container: &ContainerContext<'_>, promised: Option<u64>) {
        let location = container.cgroups.and_then(|cgroups| cgroups.location(Controller::Memory));
        let Some((Version::V2, path)) = location.filter(|_| container.id.parent().is_none()) else { return };
        // The lock is held for the writes, so that the last sum is written last.
        let mut all = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match promised {
            Some(bytes) => all.insert(container.id.clone(), bytes),
            None => all.remove(container.id),
        };
        if before == promised {
            return;
        }
        let sum = all.values().fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
        if let Some(root) = path.parent() {
            // Without it, the memory of containers is reclaimed like that of others.
            let _ = container.kernel.write(&root.join("memory.low"), &sum.to_string());
        }
    }

    /// Sets the limit. `first` means that the container has no process yet.
    fn limit(&self, container: &ContainerContext<'_>, limits: &Limits, first: bool) -> Result<(), Error> {
        match container.cgroups.filter(|cgroups| cgroups.has(Controller::Memory)) {
            Some(cgroups) => {
                self.protect(container, Some(limits.memory));
                cgroups.limit_memory(container.kernel, limits, self.swap, first)
            }
            None => Ok(()),
        }
    }
}

/// Registers an eventfd for notifications (cgroup-v1/memory documentation, "OOM Control").
fn eventfd_v1(kernel: &dyn Kernel, path: &Path) -> io::Result<OwnedFd> {
    let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = File::open(path.join("memory.oom_control"))?;
    let registration = format!("{} {}", counter.as_raw_fd(), control.as_raw_fd());
    kernel.write(&path.join("cgroup.event_control"), &registration)?;
    Ok(counter)
}

/// Waits until the kernel has killed a process, after which its log names it. With v1 the notification comes before; a container
/// that is ended at once leaves the kernel nothing to choose and to log. The kernel does not wait in between.
fn wait_for_kill(kernel: &dyn Kernel, cgroups: &ContainerCgroups) {
    let deadline = Instant::now() + LONGEST_CHOICE;
    while cgroups.oom_kills_v1(kernel) == Some(0) && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
    }
}

/// Returns whether the notification means that memory has run out. The descriptor then waits for the next one.
fn is_out_of_memory(kernel: &dyn Kernel, cgroups: &ContainerCgroups, watch: &OwnedFd) -> bool {
    match cgroups.location(Controller::Memory) {
        None => false,
        // The notification comes before the kernel kills, so that no counter shows it yet.
        // Descriptors of other isolators are not eventfds, and have no eight bytes.
        Some((Version::V1, _)) => {
            let notified = rustix::io::read(watch, &mut [0u8; 8]) == Ok(8);
            if notified {
                wait_for_kill(kernel, cgroups);
            }
            notified
        }
        // The notification may be about any event of the controller; reading the file clears its mark.
        Some((Version::V2, _)) => {
            if let Ok(file) = watch.try_clone().map(File::from) {
                let _ = file.read_at(&mut [0u8; 512], 0);
            }
            cgroups.oom_kills(kernel) > 0
        }
    }
}
