//! `volume/host_path`: files and directories of the host in containers.

use std::path::PathBuf;

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::requests::{Volume, VolumeSource};
use crate::volumes::{Target, VolumeMount, resolve};
use crate::{Error, Launch};

/// Shows containers the files and directories of the host that they ask for.
#[derive(Debug)]
pub(super) struct VolumeHostPath {
    /// `--host_path_volume_force_creation`.
    pub made: Vec<PathBuf>,
}

impl Isolator for VolumeHostPath {
    fn name(&self) -> &'static str {
        "volume/host_path"
    }

    fn prepare(&self, _: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let is_mine = |volume: &Volume| matches!(volume.source, VolumeSource::HostPath { .. });
        add(launch, spec, &self.made, is_mine)
    }
}

/// Adds the volumes of one kind.
pub(super) fn add(
    launch: &Launch,
    spec: &mut LaunchSpec,
    made: &[PathBuf],
    is_mine: impl Fn(&Volume) -> bool,
) -> Result<(), Error> {
    for (number, volume) in launch.requests.volumes.iter().enumerate().filter(|(_, volume)| is_mine(volume)) {
        let mount = resolve(volume, launch, number, made)?;
        check_target(&mount, launch, spec)?;
        spec.volumes.push(mount);
    }
    Ok(())
}

/// Checks whether a container without an image can have a volume at an absolute path. It sees the files of the host, and a
/// volume over `/etc` would give any user the rights of setuid programs.
fn check_target(mount: &VolumeMount, launch: &Launch, spec: &LaunchSpec) -> Result<(), Error> {
    match &mount.target {
        Target::Host(path) if launch.user.is_some() && !spec.privileges.no_new_privileges => Err(Error::Volume {
            path: path.clone(),
            reason:
                "a container without an image that does not run as root can have volumes in its sandbox only: give \
                     it a relative path, or the task an image, or the agent the isolator linux/nnp"
                    .to_owned(),
        }),
        _ => Ok(()),
    }
}
