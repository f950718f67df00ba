//! `filesystem/linux`: mount namespaces, in which containers see their volumes.

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch, check_hostname};

/// Gives containers a mount namespace, mounts their volumes in it, and gives them the host name that they ask for.
#[derive(Debug)]
pub(super) struct FilesystemLinux;

impl Isolator for FilesystemLinux {
    fn name(&self) -> &'static str {
        "filesystem/linux"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        // A nested container sees the volumes of its parent.
        spec.enter_mounts = container.parent;
        spec.namespaces.mount = !launch.nesting.as_ref().is_some_and(|nesting| nesting.session);
        spec.mounts.extend(launch.binds.iter().cloned());
        if let Some(name) = &launch.requests.hostname {
            check_hostname(name)?;
            spec.namespaces.uts = true;
            spec.hostname = Some(name.clone());
        }
        Ok(())
    }
}
