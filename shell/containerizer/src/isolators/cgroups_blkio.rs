//! `cgroups/blkio`: the measurement of operations on block devices.

use super::{ContainerContext, Isolator};
use crate::Usage;

/// Measures the operations of containers on block devices. As in Mesos, it limits nothing.
#[derive(Debug)]
pub(super) struct CgroupsBlkio;

impl Isolator for CgroupsBlkio {
    fn name(&self) -> &'static str {
        "cgroups/blkio"
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        if let Some(cgroups) = container.cgroups {
            usage.devices = cgroups.device_usage(container.kernel);
        }
    }
}
