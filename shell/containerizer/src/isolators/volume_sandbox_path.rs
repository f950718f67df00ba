//! `volume/sandbox_path`: files and directories of a container's own sandbox, or of its parent's.

use super::volume_host_path::add;
use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::requests::{Volume, VolumeSource};
use crate::{Error, Launch};

/// Shows containers parts of sandboxes at other places.
#[derive(Debug)]
pub(super) struct VolumeSandboxPath;

impl Isolator for VolumeSandboxPath {
    fn name(&self) -> &'static str {
        "volume/sandbox_path"
    }

    fn prepare(&self, _: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let is_mine = |volume: &Volume| matches!(volume.source, VolumeSource::Sandbox { .. });
        add(launch, spec, &[], is_mine)
    }
}
