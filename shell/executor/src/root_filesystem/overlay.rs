//! The overlay of an image's layers and of the files that a container writes (overlayfs in the kernel's documentation).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, mount};

use crate::launch_info::LaunchInfo;

/// The maximum length of mount options in bytes: a page (mount(2)) without its zero byte.
const MAX_OPTIONS: usize = 4095;

/// Mounts the overlay. Device nodes of images have no effect: `/dev` is the system's.
///
/// Layers are named by descriptors, so that their paths may be long and have any characters.
pub fn mount_overlay(info: &LaunchInfo) -> io::Result<()> {
    if info.layers.is_empty() {
        // The root of an image without layers is an empty directory.
        return bind_directory(&info.upper, &info.target);
    }
    let open =
        |path: &PathBuf| rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let lower: Vec<OwnedFd> = info.layers.iter().rev().map(open).collect::<Result<_, _>>()?;
    let (upper, work) = (open(&info.upper)?, open(&info.work)?);
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let lower: Vec<String> = lower.iter().map(name).collect();
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), name(&upper), name(&work));
    if options.len() > MAX_OPTIONS {
        return Err(io::Error::other(format!("the image has {} layers, more than overlayfs takes", info.layers.len())));
    }
    let options = CString::new(options)?;
    Ok(mount("overlay", &info.target, "overlay", MountFlags::NODEV, Some(options.as_c_str()))?)
}

fn bind_directory(from: &Path, to: &Path) -> io::Result<()> {
    debug_assert!(!from.as_os_str().as_bytes().is_empty());
    Ok(rustix::mount::mount_bind(from, to)?)
}
