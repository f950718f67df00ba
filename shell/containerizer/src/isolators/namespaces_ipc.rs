//! `namespaces/ipc`: IPC namespaces, and `/dev/shm`.

use executor::SharedMemory;

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, IpcMode, Launch};

/// Gives containers an IPC namespace and a `/dev/shm` of their own, unless they share those of the agent.
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
        if container.id.parent().is_some() && asked.mode != Some(IpcMode::Private) {
            let refused =
                "a nested container cannot join the IPC namespace of its parent yet: ask for the mode PRIVATE";
            return Err(Error::Request(refused.to_owned()));
        }
        let bytes = asked.shm_megabytes.map(|size| u64::from(size) << 20).or(self.default_shm).unwrap_or(SHM_BYTES);
        match asked.mode {
            Some(IpcMode::ShareParent) if self.disallow_sharing => {
                let refused = "Sharing agent IPC namespace with top-level container is not allowed";
                return Err(Error::Request(refused.to_owned()));
            }
            Some(IpcMode::ShareParent) => spec.shm = Some(SharedMemory::Host),
            Some(IpcMode::Private) => {
                spec.namespaces.ipc = true;
                spec.shm = Some(SharedMemory::Private { bytes });
            }
            None => {
                spec.namespaces.ipc = true;
                // As in Mesos, a container without an image then uses the `/dev/shm` of the host.
                spec.shm = launch.requests.image.as_ref().map(|_| SharedMemory::Private { bytes });
            }
        }
        Ok(())
    }
}
