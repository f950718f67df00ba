//! The trait of isolators, after Mesos' `slave/isolator.proto` and `mesos::slave::Isolator`.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use ids::ContainerId;
use rustix::process::Pid;

use crate::cgroups::ContainerCgroups;
use crate::kernel::Kernel;
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch, Limitation, Limits, Usage};

/// What an isolator is told of a container.
#[derive(Clone, Copy)]
pub(crate) struct ContainerContext<'a> {
    pub kernel: &'a dyn Kernel,
    pub id: &'a ContainerId,
    /// The cgroups that the launcher has made for it; `None` with the posix launcher.
    pub cgroups: Option<&'a ContainerCgroups>,
    /// The first process, as soon as it runs.
    pub pid: Option<Pid>,
}

/// Why an isolator is asked whether a container has broken its limit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// The descriptor of [`Isolator::watch`] has become readable.
    Notified(&'a OwnedFd),
    /// The first process has ended, perhaps for that reason.
    Ended,
}

/// One kind of separation or limit. Isolators are shared by all containers and called from several threads; what they know of
/// one container is in the kernel, so that a restarted agent finds it there.
///
/// A container is prepared, isolated, watched and cleaned up in the order of the list; every step has a default that does
/// nothing.
pub(crate) trait Isolator: fmt::Debug + Send + Sync {
    /// The name in `--isolation`.
    fn name(&self) -> &'static str;

    /// Adds to the launch what this container needs. Its cgroups exist, and no process of it does.
    ///
    /// # Errors
    /// The container cannot be isolated as asked for, so it must not be started.
    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let _ = (container, launch, spec);
        Ok(())
    }

    /// Does what needs the pid of the first process, which already runs its program: what has to be in force before that
    /// belongs into the launch.
    ///
    /// # Errors
    /// The container is not isolated as asked for, so it is ended.
    fn isolate(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        let _ = container;
        Ok(())
    }

    /// Returns a descriptor that becomes readable when [`Isolator::limitation`] should be asked; `None` if there is nothing to
    /// wait for.
    ///
    /// # Errors
    /// The kernel does not notify; a breach is then only noticed at the end of the container.
    fn watch(&self, container: &ContainerContext<'_>) -> io::Result<Option<OwnedFd>> {
        let _ = container;
        Ok(None)
    }

    /// Returns which limit the container has broken, if any.
    fn limitation(&self, container: &ContainerContext<'_>, cause: Cause<'_>) -> Option<Limitation> {
        let _ = (container, cause);
        None
    }

    /// Changes the limits of a running container.
    ///
    /// # Errors
    /// The limits in force may be the old ones.
    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        let _ = (container, limits);
        Ok(())
    }

    /// Adds what the container uses, where no isolator before has said it.
    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        let _ = (container, usage);
    }

    /// Takes up a container of an earlier process of the agent.
    ///
    /// # Errors
    /// The container is not isolated any more; that is logged, and it goes on.
    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        let _ = container;
        Ok(())
    }

    /// Removes what was made for a container in which no process is left. Done again, it changes nothing.
    ///
    /// # Errors
    /// Something is still in use; to be repeated.
    fn cleanup(&self, container: &ContainerContext<'_>) -> io::Result<()> {
        let _ = container;
        Ok(())
    }
}
