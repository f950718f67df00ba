//! `linux/capabilities`: the capabilities of programs.

use std::path::Path;

use super::{ContainerContext, Isolator};
use crate::capabilities::resolve;
use crate::kernel::Kernel;
use crate::launch_spec::LaunchSpec;
use crate::{CapabilityRequest, CapabilitySet, Error, Launch};

/// Limits capabilities to what a container asks for, within what the operator allows.
#[derive(Debug)]
pub(super) struct LinuxCapabilities {
    /// `--effective_capabilities` and `--bounding_capabilities`.
    pub flags: CapabilityRequest,
}

impl Isolator for LinuxCapabilities {
    fn name(&self) -> &'static str {
        "linux/capabilities"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let own = own_capabilities(container.kernel)?;
        spec.privileges.capabilities = resolve(launch.requests.capabilities, self.flags, own)?;
        Ok(())
    }
}

/// Returns the permitted capabilities of the agent (proc_pid_status(5)).
fn own_capabilities(kernel: &dyn Kernel) -> Result<CapabilitySet, Error> {
    let path = Path::new("/proc/self/status");
    let status = kernel.read(path).map_err(Error::io("cannot read", path))?;
    let bits = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapPrm:")?.trim(), 16).ok());
    bits.map(CapabilitySet::of_bits).ok_or_else(|| {
        Error::io("cannot find the capabilities of the agent in", path)(std::io::ErrorKind::InvalidData.into())
    })
}
