//! `volume/secret`: secrets as files.

use super::volume_host_path::add;
use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::requests::{Volume, VolumeSource};
use crate::{Error, Launch};

/// Shows containers their secrets as files, which are in the memory of the container only.
#[derive(Debug)]
pub(super) struct VolumeSecret;

impl Isolator for VolumeSecret {
    fn name(&self) -> &'static str {
        "volume/secret"
    }

    fn prepare(&self, _: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let is_mine = |volume: &Volume| matches!(volume.source, VolumeSource::Secret(_));
        add(launch, spec, &[], is_mine)
    }
}
