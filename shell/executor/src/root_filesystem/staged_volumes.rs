//! Volumes at absolute paths of a container with images.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::mount_point::{ContainerRoot, Kind, Links, MountPoint};
use crate::launch_info::StagedVolume;

/// The volumes, cloned before the mounts of the container are separated: a clone keeps the propagation that the
/// containerizer has given it.
pub struct StagedVolumes<'a>(Vec<(&'a Path, OwnedFd)>);

impl<'a> StagedVolumes<'a> {
    /// Opens the staged volumes.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn open(volumes: &'a [StagedVolume]) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
        let open = |volume: &'a StagedVolume| Ok((volume.path.as_path(), open_tree(CWD, &volume.staging, flags)?));
        volumes.iter().map(open).collect::<io::Result<_>>().map(StagedVolumes)
    }

    /// Mounts the volumes with such paths in the root of the container. Links of the image lead to places in the image.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn mount(&self, root: &ContainerRoot, chosen: impl Fn(&Path) -> bool) -> io::Result<()> {
        self.mount_at(chosen, |path, tree| {
            let file_type = FileType::from_raw_mode(rustix::fs::fstat(tree)?.st_mode);
            let kind = if file_type == FileType::Directory { Kind::Directory } else { Kind::File };
            root.mount_point(path, kind, Links::InRoot)
        })
    }

    /// Mounts the volumes in the host's root, as the container sees it. Nothing is created on the host, as in Mesos
    /// (`isolators/volume/utils.cpp`).
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn mount_on_host(&self) -> io::Result<()> {
        let root = ContainerRoot::open(Path::new("/"))?;
        self.mount_at(|_| true, |path, _| root.existing(path, Links::InRoot))
    }

    fn mount_at(
        &self,
        chosen: impl Fn(&Path) -> bool,
        place: impl Fn(&Path, &OwnedFd) -> io::Result<MountPoint>,
    ) -> io::Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        for (path, tree) in self.0.iter().filter(|(path, _)| chosen(path)) {
            let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            let point = place(path, tree).map_err(at)?;
            move_mount(tree, c"", point.as_fd(), c"", flags).map_err(|errno| at(errno.into()))?;
        }
        Ok(())
    }
}
