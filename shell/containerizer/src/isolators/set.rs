//! The isolators in use, called in order.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;

use ids::ContainerId;

use super::{Cause, ContainerContext, Isolator};
use crate::cni::JoinedNetwork;
use crate::launch_spec::LaunchSpec;
use crate::{Bind, CapabilityRequest, Error, IpcMode, Launch, Limitation, Limits, SeccompRequest, Usage};

/// The isolators that separate a program from the agent, which a helper of the agent is not ([`crate::Requests::is_helper`]).
const OF_PROGRAMS: [&str; 9] = [
    "filesystem/linux",
    "filesystem/posix",
    "namespaces/pid",
    "namespaces/ipc",
    "linux/capabilities",
    "linux/seccomp",
    "linux/nnp",
    "linux/devices",
    "cgroups/devices",
];

/// The isolators that the operator requests and the machine supports.
#[derive(Debug)]
pub(crate) struct Isolators {
    all: Vec<Box<dyn Isolator>>,
    /// `--cgroups_enable_cfs`.
    cfs: bool,
}

impl Isolators {
    pub(super) fn new(all: Vec<Box<dyn Isolator>>, cfs: bool) -> Self {
        Isolators { all, cfs }
    }

    /// Returns the names in the order in which the isolators are called.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.all.iter().map(|isolator| isolator.name()).collect()
    }

    /// Returns whether the isolator with this name is in use.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all.iter().any(|isolator| isolator.name() == name)
    }

    /// Calls [`Isolator::prepare`] of all. A request that no isolator carries out is an error, because the container
    /// would silently lack it.
    pub(crate) fn prepare(
        &self,
        container: &ContainerContext<'_>,
        launch: &Launch,
        spec: &mut LaunchSpec,
    ) -> Result<(), Error> {
        let is_used = |name: &str| !launch.requests.is_helper || !OF_PROGRAMS.contains(&name);
        let used = self.all.iter().filter(|isolator| is_used(isolator.name()));
        used.into_iter().try_for_each(|isolator| isolator.prepare(container, launch, spec))?;
        if spec.mounts.len() < launch.binds.len() {
            return Err(Error::NotIsolated { what: "volumes", isolator: "filesystem/linux" });
        }
        if spec.volumes.len() < launch.requests.volumes.len() + spec.injected_volumes {
            return Err(Error::NotIsolated { what: "volumes of these kinds", isolator: "filesystem/linux" });
        }
        if !launch.requests.networks.is_empty() && !self.has("network/cni") {
            return Err(Error::NotIsolated { what: "networks", isolator: "network/cni" });
        }
        if spec.hostname.is_none() && launch.requests.hostname.is_some() {
            return Err(Error::NotIsolated { what: "host names of their own", isolator: "filesystem/linux" });
        }
        let asks_for_ipc =
            launch.requests.ipc.mode == Some(IpcMode::Private) || launch.requests.ipc.shm_megabytes.is_some();
        if asks_for_ipc && !self.has("namespaces/ipc") {
            return Err(Error::NotIsolated { what: "private IPC namespaces", isolator: "namespaces/ipc" });
        }
        if launch.requests.capabilities != CapabilityRequest::default() && !self.has("linux/capabilities") {
            return Err(Error::NotIsolated { what: "capabilities", isolator: "linux/capabilities" });
        }
        if matches!(launch.requests.seccomp, SeccompRequest::Profile(_)) && !self.has("linux/seccomp") {
            return Err(Error::NotIsolated { what: "profiles of system calls", isolator: "linux/seccomp" });
        }
        if spec.rlimits.len() < launch.rlimits.len() {
            return Err(Error::NotIsolated { what: "resource limits", isolator: "posix/rlimits" });
        }
        Ok(())
    }

    /// Calls [`Isolator::isolate`] of all.
    pub(crate) fn isolate(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        self.all.iter().try_for_each(|isolator| isolator.isolate(container))
    }

    /// Returns the descriptors of all isolators that have one. Failures are logged.
    pub(crate) fn watch(&self, container: &ContainerContext<'_>) -> Vec<OwnedFd> {
        let watch = |isolator: &dyn Isolator| match isolator.watch(container) {
            Ok(watch) => watch,
            Err(error) => {
                let (id, name) = (container.id, isolator.name());
                tracing::warn!(%id, %error, "a violated limit of {name} is noticed only at the end of the container");
                None
            }
        };
        self.all.iter().filter_map(|isolator| watch(&**isolator)).collect()
    }

    /// Returns the first limit that the container has violated.
    pub(crate) fn limitation(&self, container: &ContainerContext<'_>, cause: Cause<'_>) -> Option<Limitation> {
        self.all.iter().find_map(|isolator| isolator.limitation(container, cause))
    }

    /// Calls [`Isolator::update`] of all, and returns the first error.
    pub(crate) fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        let mut result = Ok(());
        for isolator in &self.all {
            result = result.and(isolator.update(container, limits));
        }
        result
    }

    /// Calls [`Isolator::add_volume`] of all.
    pub(crate) fn add_volume(&self, container: &ContainerContext<'_>, volume: &Bind) -> Result<(), Error> {
        self.all.iter().try_for_each(|isolator| isolator.add_volume(container, volume))
    }

    /// Returns the usage and the current limits of the container (`MesosContainerizerProcess::usage` of Mesos). The
    /// limits are those requested last, even while the kernel still enforces a higher one.
    pub(crate) fn usage(&self, container: &ContainerContext<'_>, limits: &Limits) -> Usage {
        let mut usage = Usage::default();
        for isolator in &self.all {
            isolator.usage(container, &mut usage);
        }
        usage.cpus_soft_limit = Some(limits.cpus);
        let ceiling = limits.cpu_limit.or(self.cfs.then_some(limits.cpus));
        usage.cpus_limit = ceiling.filter(|cpus| cpus.is_finite());
        usage.mem_soft_limit_bytes = Some(limits.memory);
        usage.disk_limit_bytes = limits.disk.filter(|_| usage.disk_used_bytes.is_some());
        usage.mem_limit_bytes = Some(limits.memory_limit.unwrap_or(limits.memory)).filter(|limit| *limit < u64::MAX);
        usage
    }

    /// Calls [`Isolator::recover`] of all, and logs failures.
    pub(crate) fn recover(&self, container: &ContainerContext<'_>) {
        for isolator in &self.all {
            if let Err(error) = isolator.recover(container) {
                tracing::warn!(id = %container.id, %error, "{} is not in force any more", isolator.name());
            }
        }
    }

    /// Returns the networks of a container: its own, or those of the container that it is nested in. Without any, it uses the
    /// network of the agent.
    pub(crate) fn networks(&self, id: &ContainerId) -> Vec<JoinedNetwork> {
        let mut next = Some(id.clone());
        while let Some(id) = next {
            if let Some(networks) = self.all.iter().find_map(|isolator| isolator.networks(&id)) {
                return networks;
            }
            next = id.parent();
        }
        Vec::new()
    }

    /// Calls [`Isolator::recovered`] of all.
    pub(crate) fn recovered(&self, alive: &BTreeSet<ContainerId>) {
        self.all.iter().for_each(|isolator| isolator.recovered(alive));
    }

    /// Calls [`Isolator::cleanup`] of all, beginning with the last isolator.
    pub(crate) fn cleanup(&self, container: &ContainerContext<'_>) -> io::Result<()> {
        self.all.iter().rev().try_for_each(|isolator| isolator.cleanup(container))
    }
}
