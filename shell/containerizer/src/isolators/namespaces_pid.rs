//! `namespaces/pid`: pid namespaces.

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch};

/// Gives containers a pid namespace with its own `/proc`. The list adds `filesystem/linux`, because that `/proc` is a
/// mount.
#[derive(Debug)]
pub(super) struct NamespacesPid;

impl Isolator for NamespacesPid {
    fn name(&self) -> &'static str {
        "namespaces/pid"
    }

    fn prepare(&self, _: &ContainerContext<'_>, _: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        spec.namespaces.pid = true;
        // The first process of the namespace has to reap, and signals without a handler do not reach it
        // (pid_namespaces(7)).
        spec.needs_init = true;
        Ok(())
    }
}
