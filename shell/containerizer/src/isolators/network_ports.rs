//! `network/ports`: ports that tasks in the network of the agent listen on.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use super::{Cause, ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::port_watcher::PortWatcher;
use crate::{Config, Error, Launch, Limitation, Limits};

/// Finds containers that listen on ports that are not among their resources. What they listen on in networks of their own does
/// not count.
pub(super) struct NetworkPorts {
    watcher: PortWatcher,
}

impl NetworkPorts {
    pub(super) fn new(config: &Config) -> Self {
        NetworkPorts { watcher: PortWatcher::new(&config.ports) }
    }
}

impl fmt::Debug for NetworkPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkPorts").finish_non_exhaustive()
    }
}

impl Isolator for NetworkPorts {
    fn name(&self) -> &'static str {
        "network/ports"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        // The cgroup has the processes of nested containers, too. The resources belong to the whole.
        if let (None, Some(cgroups)) = (container.id.parent(), container.cgroups) {
            self.watcher.add(container.id, cgroups, Some(launch.limits.ports.clone()));
        }
        Ok(())
    }

    fn watch(&self, container: &ContainerContext<'_>) -> io::Result<Option<OwnedFd>> {
        self.watcher.watch(container.id)
    }

    fn limitation(&self, container: &ContainerContext<'_>, _: Cause<'_>) -> Option<Limitation> {
        self.watcher.violation(container.id)
    }

    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        self.watcher.set_ports(container.id, limits.ports.clone());
        Ok(())
    }

    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        // The ports follow with the next update; until then nothing is known to be wrong.
        if let (None, Some(cgroups)) = (container.id.parent(), container.cgroups) {
            self.watcher.add(container.id, cgroups, None);
        }
        Ok(())
    }

    fn cleanup(&self, container: &ContainerContext<'_>) -> io::Result<()> {
        self.watcher.remove(container.id);
        Ok(())
    }
}
