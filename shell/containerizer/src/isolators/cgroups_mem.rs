//! `cgroups/mem`: a limit of memory, and the kernel's notification that it was reached.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::event::{EventfdFlags, eventfd};

use super::{Cause, ContainerContext, Isolator};
use crate::cgroups::{ContainerCgroups, Controller, Version, memory_report};
use crate::kernel::Kernel;
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch, Limitation, LimitationKind, Limits, Usage};

/// Limits the memory of containers, and finds those that exceed it.
#[derive(Debug)]
pub(super) struct CgroupsMem {
    /// `--cgroups_limit_swap`: whether memory and swap are limited together.
    pub swap: bool,
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
            // The kernel marks this file as changed.
            Some((Version::V2, path)) => Ok(Some(File::open(path.join("memory.events"))?.into())),
        }
    }

    fn limitation(&self, container: &ContainerContext<'_>, cause: Cause<'_>) -> Option<Limitation> {
        let cgroups = container.cgroups?;
        let reached = match cause {
            Cause::Notified(watch) => is_out_of_memory(container.kernel, cgroups, watch),
            Cause::Ended => cgroups.oom_kills(container.kernel) > 0,
        };
        let (limit, message) = memory_report(cgroups, container.kernel).filter(|_| reached)?;
        Some(Limitation { kind: LimitationKind::Memory { limit }, message })
    }

    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        self.limit(container, limits, false)
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        if let Some(cgroups) = container.cgroups {
            cgroups.memory_use(container.kernel, usage);
        }
    }
}

impl CgroupsMem {
    /// Sets the limit. `first` means that the container has no process yet.
    fn limit(&self, container: &ContainerContext<'_>, limits: &Limits, first: bool) -> Result<(), Error> {
        match container.cgroups.filter(|cgroups| cgroups.has(Controller::Memory)) {
            Some(cgroups) => cgroups.limit_memory(container.kernel, limits, self.swap, first),
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

/// Returns whether the notification means that memory has run out. The descriptor then waits for the next one.
fn is_out_of_memory(kernel: &dyn Kernel, cgroups: &ContainerCgroups, watch: &OwnedFd) -> bool {
    match cgroups.location(Controller::Memory) {
        None => false,
        // The notification comes before the kernel kills, so that no counter shows it yet.
        // Descriptors of other isolators are not eventfds, and have no eight bytes.
        Some((Version::V1, _)) => rustix::io::read(watch, &mut [0u8; 8]) == Ok(8),
        // The notification may be about any event of the controller; reading the file clears its mark.
        Some((Version::V2, _)) => {
            if let Ok(file) = watch.try_clone().map(File::from) {
                let _ = file.read_at(&mut [0u8; 512], 0);
            }
            cgroups.oom_kills(kernel) > 0
        }
    }
}
