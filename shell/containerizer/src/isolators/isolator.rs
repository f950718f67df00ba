//! The trait of isolators, after `slave/isolator.proto` and `mesos::slave::Isolator` of Mesos.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use ids::ContainerId;
use rustix::process::Pid;

use crate::cgroups::ContainerCgroups;
use crate::cni::JoinedNetwork;
use crate::kernel::Kernel;
use crate::launch_spec::LaunchSpec;
use crate::{Bind, Error, Launch, Limitation, Limits, Usage};

/// The properties of a container that isolators use.
#[derive(Clone, Copy)]
pub(crate) struct ContainerContext<'a> {
    /// The kernel.
    pub kernel: &'a dyn Kernel,
    /// The id of the container.
    pub id: &'a ContainerId,
    /// The cgroups that the launcher has created for it; `None` with the posix launcher.
    pub cgroups: Option<&'a ContainerCgroups>,
    /// The first process, once it runs.
    pub pid: Option<Pid>,
    /// The first process of the container that it is nested in. It is known in [`Isolator::prepare`] only.
    pub parent: Option<Pid>,
}

/// The reason for which an isolator is asked whether a container has violated its limit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// The descriptor of [`Isolator::watch`] has become readable.
    Notified(&'a OwnedFd),
    /// The first process has ended, possibly because of the limit.
    Ended,
}

/// One kind of separation or limit. All containers share the isolators, and several threads call them. The kernel holds
/// all state of a container, so that a restarted agent finds it there.
///
/// A container is prepared, isolated, watched and cleaned up in the order of the list. Every step has a default without
/// effect.
pub(crate) trait Isolator: fmt::Debug + Send + Sync {
    /// The name in `--isolation`.
    fn name(&self) -> &'static str;

    /// Adds what this container needs to the launch. Its cgroups exist, and no process of it does.
    ///
    /// # Errors
    /// Returns why the container cannot be isolated as requested; it must not be started.
    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let _ = (container, launch, spec);
        Ok(())
    }

    /// Isolates a container once the pid of its first process is known, which already runs its program. Isolation that
    /// must be in force before the program runs belongs to the launch.
    ///
    /// # Errors
    /// Returns why the container is not isolated as requested; it is destroyed.
    fn isolate(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        let _ = container;
        Ok(())
    }

    /// Returns a descriptor that becomes readable when [`Isolator::limitation`] has to be called; `None` if there is
    /// none.
    ///
    /// # Errors
    /// Returns an error if the kernel cannot notify. A violation is then noticed only at the end of the container.
    fn watch(&self, container: &ContainerContext<'_>) -> io::Result<Option<OwnedFd>> {
        let _ = container;
        Ok(None)
    }

    /// Returns the limit that the container has violated, if any.
    fn limitation(&self, container: &ContainerContext<'_>, cause: Cause<'_>) -> Option<Limitation> {
        let _ = (container, cause);
        None
    }

    /// Changes the limits of a running container.
    ///
    /// # Errors
    /// Returns an error after which the old limits may still be in force.
    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        let _ = (container, limits);
        Ok(())
    }

    /// Takes up a persistent volume that is about to be shown in a running container, or that an earlier agent has shown.
    ///
    /// # Errors
    /// Returns why the container cannot have it.
    fn add_volume(&self, container: &ContainerContext<'_>, volume: &Bind) -> Result<(), Error> {
        let _ = (container, volume);
        Ok(())
    }

    /// Adds the usage of the container, where no earlier isolator has set it.
    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        let _ = (container, usage);
    }

    /// Returns the networks of a container that has networks of its own.
    fn networks(&self, id: &ContainerId) -> Option<Vec<JoinedNetwork>> {
        let _ = id;
        None
    }

    /// Recovers a container of an earlier process of the agent.
    ///
    /// # Errors
    /// Returns an error if the container is not isolated any more. The error is logged, and the container continues.
    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        let _ = container;
        Ok(())
    }

    /// Removes what is left of containers of which nothing else is left. `alive` are the containers that were recovered.
    fn recovered(&self, alive: &BTreeSet<ContainerId>) {
        let _ = alive;
    }

    /// Removes everything that was made for a container in which no process is left. Repeating it has no effect.
    ///
    /// # Errors
    /// Returns an error if something is still in use; the caller repeats the call.
    fn cleanup(&self, container: &ContainerContext<'_>) -> io::Result<()> {
        let _ = container;
        Ok(())
    }
}
