//! Changes from the host's root to the container's root, in a mount namespace of its own.

use std::io;
use std::path::Path;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};

use super::devices::mount_devices;
use super::mount_point::{ContainerRoot, Kind, Links};
use super::overlay::mount_overlay;
use super::protected::protect;
use super::staged_volumes::StagedVolumes;
use crate::launch_info::{ImageIsolation, LaunchInfo};

/// The step towards the root of a container that failed, with its error.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} for the root file system of the container: {source}")]
pub struct RootError {
    step: &'static str,
    source: io::Error,
}

/// The files by which a container on the host's network resolves names. They hide the files of the image.
const NAMES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// Makes the root of a container and enters it. Afterwards the process has its own mounts, which no other process sees,
/// and cannot return to the host's root.
///
/// # Errors
/// The error names the step that failed. The process must end then, because it may be between two roots.
pub fn enter(info: &LaunchInfo, isolation: &ImageIsolation) -> Result<(), RootError> {
    let at = |step: &'static str| move |source: io::Error| RootError { step, source };
    let volumes = StagedVolumes::open(&isolation.volumes).map_err(at("open the volumes"))?;
    separate().map_err(at("separate mounts"))?;
    mount_overlay(info).map_err(at("mount the layers of the image"))?;
    let root = ContainerRoot::open(&info.target).map_err(at("open the image"))?;
    mount_kernel(&root).map_err(at("mount /proc and /sys"))?;
    mount_devices(&root, isolation).map_err(at("mount /dev"))?;
    protect(&root).map_err(at("protect /proc and /sys"))?;
    bind_names(&root).map_err(at("bind the files of names"))?;
    volumes.mount(&root, |path| !path.starts_with(&info.sandbox_directory)).map_err(at("mount the volumes"))?;
    bind_sandbox(&root, info).map_err(at("bind the sandbox"))?;
    volumes.mount(&root, |path| path.starts_with(&info.sandbox_directory)).map_err(at("mount the volumes"))?;
    pivot(&root).map_err(at("change the root"))
}

#[allow(unsafe_code)]
fn separate() -> io::Result<()> {
    // SAFETY: this process has one thread, and unshares its mount namespace only.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }?;
    // Mounts in the container do not propagate to the host, and unmounts on the host reach the container.
    Ok(mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?)
}

fn mount_kernel(root: &ContainerRoot) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let proc = root.mount_point(Path::new("/proc"), Kind::Directory, Links::Refused)?;
    mount("proc", proc.path(), "proc", flags, None)?;
    let sys = root.mount_point(Path::new("/sys"), Kind::Directory, Links::Refused)?;
    Ok(mount("sysfs", sys.path(), "sysfs", flags | MountFlags::RDONLY, None)?)
}

fn bind_names(root: &ContainerRoot) -> io::Result<()> {
    for name in NAMES.map(Path::new).into_iter().filter(|path| path.exists()) {
        let point = root.mount_point(name, Kind::File, Links::InRoot)?;
        mount_bind(name, point.path())?;
        let point = root.existing(name, Links::InRoot)?;
        mount_remount(
            point.path(),
            MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV,
            c"",
        )?;
    }
    Ok(())
}

/// Binds the sandbox with the volumes that are mounted in it.
fn bind_sandbox(root: &ContainerRoot, info: &LaunchInfo) -> io::Result<()> {
    let point = root.mount_point(&info.sandbox_directory, Kind::Directory, Links::InRoot)?;
    Ok(mount_bind_recursive(&info.sandbox, point.path())?)
}

/// Changes to the new root. The old root is mounted over the new one and then detached, so the image needs no directory
/// for it (pivot_root(2)).
fn pivot(root: &ContainerRoot) -> io::Result<()> {
    fchdir(root.fd())?;
    pivot_root(".", ".")?;
    mount_change(".", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    unmount(".", UnmountFlags::DETACH)?;
    Ok(chdir("/")?)
}
