//! The files of an image: an overlay of its layers and of what a container writes (overlayfs in the kernel's
//! documentation), or a directory.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, mount, mount_bind};

use super::mount_point::remount_bind;
use super::user_namespace;
use crate::launch_info::{OverlayDirectories, RootSource};

/// The maximum length of mount options in bytes: a page (mount(2)) without its zero byte.
const MAX_OPTIONS: usize = 4095;

/// Mounts the files of an image and returns the mount point. Device nodes of images have no effect: `/dev` is the
/// system's.
///
/// # Errors
/// Returns the error of the operating system.
pub fn mount_source(source: &RootSource) -> io::Result<PathBuf> {
    match source {
        RootSource::Overlay(overlay) => mount_overlay(overlay).map(|()| overlay.target.clone()),
        // pivot_root(2) takes mount points only.
        RootSource::Directory(path) => bind_directory(path, path).map(|()| path.clone()),
    }
}

/// Mounts an overlay. Layers are named by descriptors, so that their paths may be long and have any characters.
fn mount_overlay(overlay: &OverlayDirectories) -> io::Result<()> {
    if overlay.layers.is_empty() {
        // The root of an image without layers is an empty directory.
        return bind_directory(&overlay.upper, &overlay.target);
    }
    let open =
        |path: &PathBuf| rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let lower: Vec<OwnedFd> = overlay.layers.iter().rev().map(open).collect::<Result<_, _>>()?;
    let (upper, work) = (open(&overlay.upper)?, open(&overlay.work)?);
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let lower: Vec<String> = lower.iter().map(name).collect();
    let options = overlay_options(&lower, &name(&upper), &name(&work));
    if options.len() > MAX_OPTIONS {
        return Err(io::Error::other(format!("the image has {} layers, more than overlayfs takes", lower.len())));
    }
    let options = CString::new(options)?;
    Ok(mount("overlay", &overlay.target, "overlay", MountFlags::NODEV, Some(options.as_c_str()))?)
}

/// Returns the mount options of an overlay, whose layers come the uppermost first. In a user namespace, overlayfs keeps
/// its marks in attributes of users.
pub fn overlay_options(lower: &[String], upper: &str, work: &str) -> String {
    let own = if user_namespace::is_rootless() { ",userxattr" } else { "" };
    format!("lowerdir={},upperdir={upper},workdir={work}{own}", lower.join(":"))
}

fn bind_directory(from: &Path, to: &Path) -> io::Result<()> {
    mount_bind(from, to)?;
    remount_bind(to, MountFlags::NODEV)
}
