//! `namespaces/pid`: pid namespaces.

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch};

/// Gives containers a pid namespace with its own `/proc`, unless they share that of the agent or, nested, of their parent
/// (docs/isolators/namespaces-pid.md of Mesos). The list adds `filesystem/linux`, because that `/proc` is a
/// mount.
#[derive(Debug)]
pub(super) struct NamespacesPid {
    /// `--disallow_sharing_agent_pid_namespace`.
    pub disallow_sharing: bool,
}

impl Isolator for NamespacesPid {
    fn name(&self) -> &'static str {
        "namespaces/pid"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        // A namespace of its own is made below the agent's and not below that of the parent, which only a process inside
        // could do (`copy_pid_ns` of the kernel). The parent does not see the processes in it either way.
        let shares = launch.requests.share_pid_namespace;
        let shares_with_agent = shares && container.id.parent().is_none();
        if shares_with_agent && self.disallow_sharing {
            let refused = "Sharing agent pid namespace with top-level container is not allowed";
            return Err(Error::Request(refused.to_owned()));
        }
        let is_session = launch.nesting.as_ref().is_some_and(|nesting| nesting.session);
        spec.enter_pids = container.parent.filter(|_| shares || is_session);
        spec.namespaces.pid = spec.enter_pids.is_none() && !shares_with_agent;
        // The first process of the namespace has to reap, and signals without a handler do not reach it
        // (pid_namespaces(7)).
        spec.needs_init = true;
        Ok(())
    }
}
