//! `linux/nnp`: programs cannot gain privileges by executing others.

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch};

/// Sets `no_new_privs` (prctl(2)) for all programs.
#[derive(Debug)]
pub(super) struct LinuxNnp;

impl Isolator for LinuxNnp {
    fn name(&self) -> &'static str {
        "linux/nnp"
    }

    fn prepare(&self, _: &ContainerContext<'_>, _: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        spec.privileges.no_new_privileges = true;
        Ok(())
    }
}
