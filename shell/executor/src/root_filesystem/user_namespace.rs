//! Containers with images without root: a user namespace in which this user is root, so that the process may mount
//! (user_namespaces(7)). Files that the container makes belong to the user outside.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, OpenTreeFlags, mount};
use rustix::thread::UnshareFlags;

use super::source::overlay_options;
use crate::mount_attributes::set_mount_attributes;

/// Whether this process is in a user namespace of its own.
static IS_ROOTLESS: AtomicBool = AtomicBool::new(false);

/// Returns whether this process has entered a user namespace.
pub fn is_rootless() -> bool {
    IS_ROOTLESS.load(Ordering::Relaxed)
}

/// Enters a new mount namespace; without root, also a user namespace in which the user is root. The caller has one thread.
///
/// # Errors
/// Returns the error of the operating system.
#[allow(unsafe_code)]
pub fn unshare_mounts() -> io::Result<()> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let is_root = rustix::process::geteuid().is_root();
    let user = if is_root { UnshareFlags::empty() } else { UnshareFlags::NEWUSER };
    // SAFETY: this process has one thread, and unshares no memory and no descriptors.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | user) }?;
    if !is_root {
        IS_ROOTLESS.store(true, Ordering::Relaxed);
        fs::write("/proc/self/uid_map", format!("0 {uid} 1\n"))?;
        // Without this, a process could drop a group that keeps it from a file.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1\n"))?;
    }
    Ok(())
}

/// Mounts a file system of the host at a mount point, read-only if asked for. A user namespace may not mount `/proc` and
/// `/sys` of namespaces that it does not own.
///
/// # Errors
/// Returns the error of the operating system.
pub fn bind_host(path: &Path, target: &Path, read_only: bool) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = rustix::mount::open_tree(rustix::fs::CWD, path, flags)?;
    if read_only {
        set_mount_attributes(tree.as_fd(), true, 0)?;
    }
    let target = rustix::fs::open(target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let flags =
        rustix::mount::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | rustix::mount::MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(&tree, c"", &target, c"", flags)?)
}

/// Tries what containers with images need without root, on a file system that ends with this process.
///
/// # Errors
/// The kernel or its settings do not allow it.
pub fn probe() -> io::Result<()> {
    unshare_mounts()?;
    let root = Path::new("/tmp");
    mount("tmpfs", root, "tmpfs", MountFlags::NOSUID, None)?;
    let directories = ["lower", "upper", "work", "merged"].map(|name| root.join(name));
    directories.iter().try_for_each(fs::create_dir)?;
    let [lower, upper, work, merged] = directories.map(|path| path.display().to_string());
    let options = CString::new(overlay_options(&[lower], &upper, &work))?;
    mount("overlay", &merged, "overlay", MountFlags::NODEV, Some(options.as_c_str()))?;
    bind_host(Path::new("/proc"), &root.join("lower"), true)
}
