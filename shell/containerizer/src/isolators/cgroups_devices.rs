//! `cgroups/devices`: the devices that containers may use.

use super::{ContainerContext, Isolator};
use crate::cgroups::{Controller, Version};
use crate::launch_spec::LaunchSpec;
use crate::{AllowedDevice, Error, Launch};

/// Denies all devices but those that every program expects and those that the operator allows.
#[derive(Debug)]
pub(super) struct CgroupsDevices {
    /// `--allowed_devices`.
    pub allowed: Vec<AllowedDevice>,
}

impl Isolator for CgroupsDevices {
    fn name(&self) -> &'static str {
        "cgroups/devices"
    }

    fn prepare(&self, container: &ContainerContext<'_>, _: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let further = self.allowed.iter().chain(&spec.allowed_devices);
        let allowed = || AllowedDevice::defaults().into_iter().chain(further.clone().cloned());
        match container.cgroups.and_then(|cgroups| cgroups.location(Controller::Devices)) {
            Some((Version::V1, path)) => {
                let write = |file: &str, value: &str| {
                    let path = path.join(file);
                    container.kernel.write(&path, value).map_err(Error::io("cannot write to", path))
                };
                write("devices.deny", "a")?;
                allowed().try_for_each(|device| write("devices.allow", &device.to_string()))
            }
            Some((Version::V2, path)) => {
                let program = crate::cgroups::device_program(&allowed().collect::<Vec<_>>());
                let attached = container.kernel.attach_device_program(path, &program);
                attached.map_err(Error::io("cannot limit devices in", path))
            }
            None => Ok(()),
        }
    }
}
