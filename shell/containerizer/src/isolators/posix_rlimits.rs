//! `posix/rlimits`: resource limits of processes.

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch};

/// Sets the resource limits that a container asks for (setrlimit(2)).
#[derive(Debug)]
pub(super) struct PosixRlimits;

impl Isolator for PosixRlimits {
    fn name(&self) -> &'static str {
        "posix/rlimits"
    }

    fn prepare(&self, _: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        spec.rlimits.extend(&launch.rlimits);
        Ok(())
    }
}
