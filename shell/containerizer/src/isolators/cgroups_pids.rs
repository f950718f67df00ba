//! `cgroups/pids`: a limit on processes and threads.

use super::{ContainerContext, Isolator};
use crate::cgroups::Controller;
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch, Limits, Usage};

/// Limits the number of processes and threads of containers.
#[derive(Debug)]
pub(super) struct CgroupsPids;

impl Isolator for CgroupsPids {
    fn name(&self) -> &'static str {
        "cgroups/pids"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        self.update(container, &launch.limits)
    }

    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        match container.cgroups.filter(|cgroups| cgroups.has(Controller::Pids)) {
            Some(cgroups) => cgroups.limit_pids(container.kernel, limits),
            None => Ok(()),
        }
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        if let Some(cgroups) = container.cgroups {
            usage.threads = cgroups.threads(container.kernel);
            usage.processes = usage.threads.map(|_| cgroups.pids(container.kernel).len() as u64);
        }
    }
}
