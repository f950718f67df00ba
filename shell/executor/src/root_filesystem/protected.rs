//! The parts of kernel file systems that containers must not write or not see.

use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};

use super::mount_point::{ContainerRoot, Links, remount_bind};

/// The paths with settings of the host, which are read-only (as in Mesos and runc).
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// The paths that reveal data of the host or its keys, which are hidden. (`/proc/interrupts` and
/// `/sys/devices/virtual/powercap` since CVE-2020-8694.)
const HIDDEN: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Protects those of the paths that exist; kernels differ.
///
/// # Errors
/// Returns the error of the operating system.
pub fn protect(root: &ContainerRoot) -> io::Result<()> {
    for path in READ_ONLY {
        let Some(point) = existing(root, path)? else { continue };
        mount_bind_recursive(point.path(), point.path())?;
        // The new mount is above the descriptor, so the path is opened again.
        let Some(point) = existing(root, path)? else { continue };
        remount_bind(&point.path(), read_only())?;
    }
    for path in HIDDEN {
        let Some(point) = existing(root, path)? else { continue };
        let is_directory =
            rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&point)?.st_mode) == rustix::fs::FileType::Directory;
        if is_directory {
            let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount("tmpfs", point.path(), "tmpfs", flags, Some(c"size=0k"))?;
        } else {
            mount_bind("/dev/null", point.path())?;
        }
    }
    Ok(())
}

fn read_only() -> MountFlags {
    MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
}

fn existing(root: &ContainerRoot, path: &str) -> io::Result<Option<super::mount_point::MountPoint>> {
    match root.existing(Path::new(path), Links::Refused) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}
