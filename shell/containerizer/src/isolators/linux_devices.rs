//! `linux/devices`: nodes of the operator's devices in the `/dev` of containers with an image.

use executor::ImageDevice;

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{AllowedDevice, DeviceKind, Error, Launch};

/// Makes a node for each device that the operator allows. A container without an image sees the `/dev` of the host.
#[derive(Debug)]
pub(super) struct LinuxDevices {
    /// `--allowed_devices`.
    pub allowed: Vec<AllowedDevice>,
}

impl Isolator for LinuxDevices {
    fn name(&self) -> &'static str {
        "linux/devices"
    }

    fn prepare(&self, _: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        if launch.requests.image.is_some() {
            spec.image_devices.extend(self.allowed.iter().filter_map(node));
        }
        Ok(())
    }
}

/// Returns the node of a device that is known by its path. As in Mesos, its mode is that of the access for everybody.
fn node(device: &AllowedDevice) -> Option<ImageDevice> {
    let path = device.path.as_ref().filter(|path| path.starts_with("/dev"))?;
    let access = if device.read { 0o444 } else { 0 } | if device.write { 0o222 } else { 0 };
    Some(ImageDevice {
        path: path.clone(),
        is_block: device.kind == DeviceKind::Block,
        major: device.major?,
        minor: device.minor?,
        mode: access,
    })
}
