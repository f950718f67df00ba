//! `namespaces/ipc`: IPC namespaces, and `/dev/shm`.

use executor::SharedMemory;

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, IpcMode, Launch};

/// Gives containers an IPC namespace and a `/dev/shm` of their own, unless they share those of the agent or, nested, of their
/// parent (docs/isolators/namespaces-ipc.md of Mesos).
#[derive(Debug)]
pub(super) struct NamespacesIpc {
    /// `--default_container_shm_size`, in bytes.
    pub default_shm: Option<u64>,
    /// `--disallow_sharing_agent_ipc_namespace`.
    pub disallow_sharing: bool,
}

/// The size of `/dev/shm` where nobody names one, as in Docker, in bytes.
const SHM_BYTES: u64 = 64 << 20;

impl Isolator for NamespacesIpc {
    fn name(&self) -> &'static str {
        "namespaces/ipc"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let asked = launch.requests.ipc;
        if asked.shm_megabytes.is_some() && asked.mode != Some(IpcMode::Private) {
            let refused = "Only support specifying the size of /dev/shm when the IPC mode is `PRIVATE`";
            return Err(Error::Request(refused.to_owned()));
        }
        if launch.nesting.as_ref().is_some_and(|nesting| nesting.session) {
            // Its `/dev/shm` is that of the mounts that it enters.
            spec.enter_ipc = container.parent;
            return Ok(());
        }
        let bytes = asked.shm_megabytes.map(|size| u64::from(size) << 20).or(self.default_shm).unwrap_or(SHM_BYTES);
        match asked.mode {
            Some(IpcMode::ShareParent) if self.disallow_sharing && container.parent.is_none() => {
                let refused = "Sharing agent IPC namespace with top-level container is not allowed";
                return Err(Error::Request(refused.to_owned()));
            }
            Some(IpcMode::ShareParent) => {
                spec.enter_ipc = container.parent;
                // A nested container is started among the mounts of its parent.
                spec.shm = Some(SharedMemory::Host);
            }
            Some(IpcMode::Private) => {
                spec.namespaces.ipc = true;
                spec.shm = Some(SharedMemory::Private { bytes });
            }
            None => {
                spec.enter_ipc = container.parent;
                spec.namespaces.ipc = container.parent.is_none();
                // As in Mesos, a container without the root of an image then uses the `/dev/shm` of the host.
                let has_root = launch.requests.image.as_ref().is_some_and(|image| image.has_root);
                spec.shm = has_root.then_some(SharedMemory::Private { bytes });
            }
        }
        Ok(())
    }
}
