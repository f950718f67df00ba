//! `disk/du`: the disk space that sandboxes use, measured from time to time.

use std::os::fd::OwnedFd;
use std::{fmt, io};

use super::{Cause, ContainerContext, Isolator};
use crate::disk_size::disk_size;
use crate::disk_watcher::DiskWatcher;
use crate::launch_spec::LaunchSpec;
use crate::{Config, Error, Launch, Limitation, LimitationKind, Limits, Usage};

/// Measures the disk space of sandboxes, and finds those that exceed their limit. Volumes are not part of it, because
/// they are mounted in the container only.
pub(super) struct DiskDu {
    watcher: DiskWatcher,
    /// `--enforce_container_disk_quota`.
    enforced: bool,
}

impl DiskDu {
    pub(super) fn new(config: &Config) -> Self {
        DiskDu {
            watcher: DiskWatcher::new(config.container_disk_watch_interval),
            enforced: config.enforce_container_disk_quota,
        }
    }

    fn quota(&self, limits: &Limits) -> Option<u64> {
        limits.disk.filter(|_| self.enforced)
    }
}

impl fmt::Debug for DiskDu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskDu").field("enforced", &self.enforced).finish_non_exhaustive()
    }
}

impl Isolator for DiskDu {
    fn name(&self) -> &'static str {
        "disk/du"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        // As in Mesos, nested containers are part of the sandbox of their parent.
        if container.id.parent().is_none() {
            self.watcher.add(container.id, &launch.working_directory, self.quota(&launch.limits));
        }
        Ok(())
    }

    fn watch(&self, container: &ContainerContext<'_>) -> io::Result<Option<OwnedFd>> {
        self.watcher.watch(container.id)
    }

    fn limitation(&self, container: &ContainerContext<'_>, _: Cause<'_>) -> Option<Limitation> {
        let (used, limit) = self.watcher.violation(container.id)?;
        let message = format!("Disk usage ({}) exceeds quota ({})", disk_size(used), disk_size(limit));
        Some(Limitation { kind: LimitationKind::Disk { limit }, message })
    }

    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        self.watcher.set_quota(container.id, self.quota(limits));
        Ok(())
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        usage.disk_used_bytes = self.watcher.used(container.id);
    }

    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        // The environment of the first process names the sandbox. The limit follows with the next update.
        let pid = container.pid.filter(|_| container.id.parent().is_none());
        let environment = pid.map(|pid| container.kernel.environment(pid.as_raw_nonzero().get())).unwrap_or_default();
        if let Some(sandbox) = crate::recovery::sandbox_path(&environment) {
            self.watcher.add(container.id, &sandbox, None);
        }
        Ok(())
    }

    fn cleanup(&self, container: &ContainerContext<'_>) -> io::Result<()> {
        self.watcher.remove(container.id);
        Ok(())
    }
}
