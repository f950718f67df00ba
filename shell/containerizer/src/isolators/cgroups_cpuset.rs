//! `cgroups/cpuset`: containers have a cgroup of their own, in which operators can choose processors.

use std::path::Path;

use super::{ContainerContext, Isolator};
use crate::cgroups::{Controller, Version};
use crate::kernel::Kernel;
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch};

/// Gives containers the processors of the cgroup above.
#[derive(Debug)]
pub(super) struct CgroupsCpuset;

impl Isolator for CgroupsCpuset {
    fn name(&self) -> &'static str {
        "cgroups/cpuset"
    }

    fn prepare(&self, container: &ContainerContext<'_>, _: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        match container.cgroups.and_then(|cgroups| cgroups.location(Controller::Cpuset)) {
            Some((Version::V1, path)) => {
                inherit(container.kernel, path, "cpuset.cpus")?;
                inherit(container.kernel, path, "cpuset.mems")
            }
            // A v2 cgroup has the processors of the one above by itself.
            Some((Version::V2, _)) | None => Ok(()),
        }
    }
}

/// Copies a value from the cgroup above if there is none. No process can enter a v1 cgroup without processors or memory
/// nodes (cgroup-v1/cpusets documentation).
fn inherit(kernel: &dyn Kernel, path: &Path, file: &str) -> Result<(), Error> {
    let own = path.join(file);
    let value = kernel.read(&own).map_err(Error::io("cannot read", &own))?;
    let Some(above) = path.parent().filter(|_| value.trim().is_empty()) else { return Ok(()) };
    inherit(kernel, above, file)?;
    let given = kernel.read(&above.join(file)).map_err(Error::io("cannot read", above.join(file)))?;
    kernel.write(&own, given.trim()).map_err(Error::io("cannot write to", own))
}
