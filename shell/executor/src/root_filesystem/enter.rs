//! Changes from the host's root to the container's root, in a mount namespace of its own.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change, unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};

use super::devices::{mount_devices, mount_shared_memory_on_host};
use super::mount_point::{ContainerRoot, Kind, Links, remount_bind};
use super::protected::protect;
use super::source::mount_source;
use super::staged_volumes::StagedVolumes;
use super::user_namespace::{bind_host, is_rootless, unshare_mounts};
use super::volumes::mount_volumes;
use crate::launch_info::{ImageIsolation, LaunchInfo, TmpfsMount};

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
/// and cannot return to the host's root. Without a root of its own, the container sees that of the host with its
/// volumes.
///
/// # Errors
/// The error names the step that failed. The process must end then, because it may be between two roots.
pub fn enter(info: &LaunchInfo, isolation: &ImageIsolation) -> Result<(), RootError> {
    let at = |step: &'static str| move |source: io::Error| RootError { step, source };
    let staged = StagedVolumes::open(&isolation.volumes).map_err(at("open the volumes"))?;
    separate().map_err(at("separate mounts"))?;
    let Some(source) = &info.root else {
        check_absolute_volumes(info, isolation).map_err(at("mount the volumes"))?;
        staged.mount_on_host().map_err(at("mount the volumes"))?;
        mount_shared_memory_on_host(isolation).map_err(at("mount /dev/shm"))?;
        return mount_volumes(info, None).map_err(at("mount images as volumes"));
    };
    let target = mount_source(source).map_err(at("mount the layers of the image"))?;
    let root = ContainerRoot::open(&target).map_err(at("open the image"))?;
    mount_kernel(&root).map_err(at("mount /proc and /sys"))?;
    mount_devices(&root, isolation).map_err(at("mount /dev"))?;
    protect(&root).map_err(at("protect /proc and /sys"))?;
    bind_names(&root, isolation.names.as_deref().or(info.names.as_deref())).map_err(at("bind the files of names"))?;
    mount_memory(&root, &info.tmpfs).map_err(at("mount a tmpfs"))?;
    staged.mount(&root, |path| !path.starts_with(&info.sandbox_directory)).map_err(at("mount the volumes"))?;
    bind_sandbox(&root, info).map_err(at("bind the sandbox"))?;
    staged.mount(&root, |path| path.starts_with(&info.sandbox_directory)).map_err(at("mount the volumes"))?;
    mount_volumes(info, Some(&root)).map_err(at("mount images as volumes"))?;
    if info.read_only {
        protect_root(&root, info).map_err(at("make the root read-only"))?;
    }
    pivot(&root).map_err(at("change the root"))
}

/// Checks whether a container that sees the files of the host can have its volumes at absolute paths. One over `/etc` would
/// give any user the rights of setuid programs; containers without any image have the same rule in the containerizer.
fn check_absolute_volumes(info: &LaunchInfo, isolation: &ImageIsolation) -> io::Result<()> {
    let of_images = info.volumes.iter().map(|volume| &volume.container_path);
    let absolute = of_images.chain(isolation.volumes.iter().map(|volume| &volume.path)).find(|path| path.is_absolute());
    let is_root = info.user.as_ref().is_none_or(|user| user.uid == 0);
    match absolute {
        Some(path) if !is_root && !isolation.privileges.no_new_privileges => Err(io::Error::other(format!(
            "'{}': a container that has no image for its root and does not run as root can have volumes in its sandbox only: \
             give it a relative path, or the task an image, or the agent the isolator linux/nnp",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Mounts memory on paths of the root.
fn mount_memory(root: &ContainerRoot, mounts: &[TmpfsMount]) -> io::Result<()> {
    for tmpfs in mounts {
        let point = root.mount_point(&tmpfs.path, Kind::Directory, Links::InRoot)?;
        let size = tmpfs.size.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
        let options = CString::new(format!("mode={:o}{size}", tmpfs.mode))?;
        // The flags are those of docker.
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        let flags = if tmpfs.exec { flags } else { flags | MountFlags::NOEXEC };
        mount("tmpfs", point.path(), "tmpfs", flags, Some(options.as_c_str()))?;
    }
    Ok(())
}

/// Makes the files of the image read-only. What is mounted on them, such as volumes and the sandbox, has flags of its own.
fn protect_root(root: &ContainerRoot, info: &LaunchInfo) -> io::Result<()> {
    // Later, a working directory that is missing could not be made.
    root.mount_point(&info.working_directory, Kind::Directory, Links::InRoot)?;
    let own = root.existing(Path::new("/"), Links::Refused)?;
    remount_bind(&own.path(), MountFlags::RDONLY)
}

fn separate() -> io::Result<()> {
    unshare_mounts()?;
    // Mounts in the container do not propagate to the host, and unmounts on the host reach the container.
    Ok(mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?)
}

fn mount_kernel(root: &ContainerRoot) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let proc = root.mount_point(Path::new("/proc"), Kind::Directory, Links::Refused)?;
    if is_rootless() {
        bind_host(Path::new("/proc"), &proc.path(), false)?;
        let sys = root.mount_point(Path::new("/sys"), Kind::Directory, Links::Refused)?;
        return bind_host(Path::new("/sys"), &sys.path(), true);
    }
    mount("proc", proc.path(), "proc", flags, None)?;
    let sys = root.mount_point(Path::new("/sys"), Kind::Directory, Links::Refused)?;
    Ok(mount("sysfs", sys.path(), "sysfs", flags | MountFlags::RDONLY, None)?)
}

/// Binds the files of names. A container with a host name of its own, or in networks of its own, has its own files in a
/// directory.
fn bind_names(root: &ContainerRoot, directory: Option<&Path>) -> io::Result<()> {
    for name in NAMES.map(Path::new) {
        let own = directory.zip(name.file_name()).map(|(directory, file)| directory.join(file));
        let source = own.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from(name));
        if !source.exists() {
            continue;
        }
        let point = root.mount_point(name, Kind::File, Links::InRoot)?;
        mount_bind(source, point.path())?;
        let point = root.existing(name, Links::InRoot)?;
        remount_bind(&point.path(), MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch_info::{StagedVolume, UserIds};

    #[test]
    fn volumes_over_the_files_of_the_host_need_root() {
        let check = |uid: u32, path: &str, no_new_privileges: bool, expect: bool| {
            let info = LaunchInfo { user: Some(UserIds { uid, gid: 7, groups: Vec::new() }), ..LaunchInfo::default() };
            let volumes = vec![StagedVolume { staging: "/staging".into(), path: path.into() }];
            let mut isolation = ImageIsolation { volumes, ..ImageIsolation::default() };
            isolation.privileges.no_new_privileges = no_new_privileges;
            assert_eq!(check_absolute_volumes(&info, &isolation).is_ok(), expect, "{uid} {path} {no_new_privileges}");
        };
        check(0, "/etc", false, true);
        check(1000, "/etc", true, true);
        check(1000, "data", false, true);
        check(1000, "/etc", false, false);
    }
}
