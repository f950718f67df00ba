//! Hearing from the kernel that a container has run out of memory.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::event::{EventfdFlags, eventfd};

use crate::cgroups::{ContainerCgroups, Version};
use crate::kernel::Kernel;

/// A descriptor that becomes ready when memory runs out: v1 counts in an eventfd, v2 marks the file `memory.events` as
/// changed.
pub(super) fn watch(kernel: &dyn Kernel, group: &ContainerCgroups) -> io::Result<Option<OwnedFd>> {
    match group.memory() {
        None => Ok(None),
        Some((Version::V1, path)) => eventfd_v1(kernel, path).map(Some),
        Some((Version::V2, path)) => Ok(Some(File::open(path.join("memory.events"))?.into())),
    }
}

/// Registers an eventfd (cgroup-v1/memory documentation, "OOM Control").
fn eventfd_v1(kernel: &dyn Kernel, path: &Path) -> io::Result<OwnedFd> {
    let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = File::open(path.join("memory.oom_control"))?;
    let registration = format!("{} {}", counter.as_raw_fd(), control.as_raw_fd());
    kernel.write(&path.join("cgroup.event_control"), &registration)?;
    Ok(counter)
}

/// Whether the notification means that memory has run out. Afterwards the descriptor waits for the next one.
pub(super) fn is_out_of_memory(kernel: &dyn Kernel, group: &ContainerCgroups, watch: &OwnedFd) -> bool {
    match group.memory() {
        None => false,
        // It comes before the kernel kills, so that no counter tells yet.
        Some((Version::V1, _)) => rustix::io::read(watch, &mut [0u8; 8]).is_ok(),
        // Any event of the controller; reading the file clears its mark.
        Some((Version::V2, _)) => {
            if let Ok(file) = watch.try_clone().map(File::from) {
                let _ = file.read_at(&mut [0u8; 512], 0);
            }
            group.oom_kills(kernel) > 0
        }
    }
}
