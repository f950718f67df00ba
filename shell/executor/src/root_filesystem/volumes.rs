//! Images as volumes (Mesos' `isolators/volume/image.cpp`).

use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, mount_bind};

use super::mount_point::{ContainerRoot, Kind, Links, MountPoint, remount_bind};
use super::source::mount_source;
use crate::launch_info::{ImageVolume, LaunchInfo};

/// Mounts the volumes in the root of a container, or in the host's root as the container sees it.
///
/// # Errors
/// Returns the error of the operating system.
pub fn mount_volumes(info: &LaunchInfo, root: Option<&ContainerRoot>) -> io::Result<()> {
    for volume in &info.volumes {
        let mounted = mount_volume(info, root, volume);
        mounted.map_err(|error| {
            io::Error::new(error.kind(), format!("on '{}': {error}", volume.container_path.display()))
        })?;
    }
    Ok(())
}

fn mount_volume(info: &LaunchInfo, root: Option<&ContainerRoot>, volume: &ImageVolume) -> io::Result<()> {
    let files = mount_source(&volume.source)?;
    let base = Base::of(info, root, &volume.container_path)?;
    mount_bind(&files, base.point(true)?.path())?;
    let read_only = if volume.read_only { MountFlags::RDONLY } else { MountFlags::empty() };
    // The new mount is above the first descriptor, so the path is opened again.
    remount_bind(&base.point(false)?.path(), MountFlags::NODEV | read_only)
}

/// The place in which a mount point is looked up.
struct Base<'a> {
    root: ContainerRoot,
    path: &'a Path,
    links: Links,
    creates: bool,
}

impl<'a> Base<'a> {
    fn of(info: &LaunchInfo, root: Option<&ContainerRoot>, path: &'a Path) -> io::Result<Self> {
        let (root, links, creates) = match (root, path.is_absolute()) {
            (Some(root), true) => (root.try_clone()?, Links::InRoot, true),
            // Nothing is created on the host, as in Mesos.
            (None, true) => (ContainerRoot::open(Path::new("/"))?, Links::InRoot, false),
            // The owner of the sandbox may have put a link in the place.
            (Some(root), false) => (root.inner(&info.sandbox_directory)?, Links::Refused, true),
            (None, false) => (ContainerRoot::open(&info.sandbox)?, Links::Refused, true),
        };
        Ok(Base { root, path, links, creates })
    }

    fn point(&self, first: bool) -> io::Result<MountPoint> {
        match self.creates && first {
            true => self.root.mount_point(self.path, Kind::Directory, self.links),
            false => self.root.existing(self.path, self.links).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => io::Error::new(error.kind(), "the directory does not exist on this machine"),
                _ => error,
            }),
        }
    }
}
