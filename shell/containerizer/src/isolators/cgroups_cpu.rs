//! `cgroups/cpu`: shares of the processors, and CFS quotas for containers with a limit.

use super::{ContainerContext, Isolator};
use crate::cgroups::Controller;
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch, Limits, Usage};

/// Sets the processor shares and quotas of containers.
#[derive(Debug)]
pub(super) struct CgroupsCpu {
    /// `--cgroups_enable_cfs`: a container without a limit of its own is limited to what it was allocated.
    pub cfs: bool,
}

impl Isolator for CgroupsCpu {
    fn name(&self) -> &'static str {
        "cgroups/cpu"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        self.update(container, &launch.limits)
    }

    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        match container.cgroups.filter(|cgroups| cgroups.has(Controller::Cpu)) {
            Some(cgroups) => cgroups.limit_cpu(container.kernel, limits, self.cfs),
            None => Ok(()),
        }
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        if let Some(cgroups) = container.cgroups {
            cgroups.cpu_time(container.kernel, usage);
            cgroups.throttling(container.kernel, usage);
        }
    }
}
