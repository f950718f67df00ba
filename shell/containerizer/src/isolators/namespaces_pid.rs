//! `namespaces/pid`: process ids of their own.

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch};

/// Gives containers a namespace of process ids, with a `/proc` of its own. The list adds `filesystem/linux` to it, because that
/// `/proc` is a mount.
#[derive(Debug)]
pub(super) struct NamespacesPid;

impl Isolator for NamespacesPid {
    fn name(&self) -> &'static str {
        "namespaces/pid"
    }

    fn prepare(&self, _: &ContainerContext<'_>, _: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        spec.namespaces.pid = true;
        // The first process of the namespace has to reap, and no signal without a handler reaches it (pid_namespaces(7)).
        spec.needs_init = true;
        Ok(())
    }
}
