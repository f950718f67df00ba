//! The requests of a container to single isolators.

use std::fmt;
use std::path::PathBuf;

use crate::{CapabilityRequest, NetworkRequest, User};

/// The requests of a container to single isolators. The default has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// Whether the program is a helper of the agent that acts for it: it keeps the agent's privileges and its view of the
    /// machine, and is limited like any container.
    pub is_helper: bool,
    /// The image that the program runs in; `None` for the files of the host.
    pub image: Option<InImage>,
    /// The capabilities of the program.
    pub capabilities: CapabilityRequest,
    /// The filter of its system calls.
    pub seccomp: SeccompRequest,
    /// Whether it uses the pid namespace of its parent, or that of the agent if it is top-level.
    pub share_pid_namespace: bool,
    /// The System V IPC and the POSIX message queues and shared memory that it sees.
    pub ipc: IpcRequest,
    /// The host name; `None` for that of the host.
    pub hostname: Option<String>,
    /// The volumes, besides those of [`crate::Launch::binds`].
    pub volumes: Vec<Volume>,
    /// The networks, in the order of the interfaces; empty for the network of the agent or of the parent.
    pub networks: Vec<NetworkRequest>,
}

/// A program in an image. Another process enters the image and becomes the program; it carries out the isolation of the
/// program, as opposed to that of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InImage {
    /// The file to write for that process ([`executor::ImageIsolation`]), named in its [`executor::LaunchInfo`].
    pub isolation: PathBuf,
    /// The user of the program; `None` for that of the agent.
    pub user: Option<User>,
    /// Whether the container has the root of an image, and not only images as volumes.
    pub has_root: bool,
    /// Whether the image asks for the files of NVIDIA's driver, by its label.
    pub needs_nvidia_driver: bool,
}

/// The interprocess communication that a container asks for (`LinuxInfo.ipc_mode` and `shm_size`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpcRequest {
    /// The namespace; `None` for a new one.
    pub mode: Option<IpcMode>,
    /// The size of `/dev/shm` in MB.
    pub shm_megabytes: Option<u32>,
}

/// The IPC namespace and the `/dev/shm` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpcMode {
    /// A new namespace and a new `/dev/shm`.
    Private,
    /// Those of the parent, which is the agent for a container that is not nested.
    ShareParent,
}

/// A volume of a container (`Volume` of Mesos).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The place of its files.
    pub source: VolumeSource,
    /// The place in the container: absolute, or relative to the sandbox.
    pub container_path: PathBuf,
    /// Whether the container can only read it.
    pub read_only: bool,
}

/// The place of the files of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A file or directory of the host.
    HostPath {
        /// The absolute path.
        path: PathBuf,
        /// The propagation of later mounts.
        propagation: Propagation,
    },
    /// A file with these bytes, which only the container sees and no disk has.
    Secret(SecretData),
    /// A file or directory of a sandbox.
    Sandbox {
        /// The sandbox of the container or of its parent.
        root: PathBuf,
        /// The path below it.
        path: PathBuf,
    },
}

/// The bytes of a secret, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretData(Vec<u8>);

impl SecretData {
    /// Makes a secret of its bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        SecretData(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretData({} bytes)", self.0.len())
    }
}

/// The propagation of later mounts between a volume and its source (`MountPropagation.Mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// Mounts of the host appear in the container.
    #[default]
    HostToContainer,
    /// Mounts of the container appear on the host, too.
    Bidirectional,
}

/// The filter of system calls that a container asks for (`SeccompInfo`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SeccompRequest {
    /// The profile of the operator.
    #[default]
    Default,
    /// The profile with this name in the operator's directory.
    Profile(String),
    /// None.
    Unconfined,
    /// Neither a name nor "unconfined", or both: the message is invalid for this reason.
    Invalid(&'static str),
}

impl SeccompRequest {
    /// Returns the request of a `SeccompInfo`, with Mesos' errors.
    pub fn new(profile_name: Option<&str>, unconfined: bool) -> Self {
        match (profile_name, unconfined) {
            (Some(_), true) => SeccompRequest::Invalid(
                "Invalid Seccomp configuration: 'profile_name' given even though 'unconfined' Seccomp setting is enabled",
            ),
            (Some(name), false) => SeccompRequest::Profile(name.to_owned()),
            (None, true) => SeccompRequest::Unconfined,
            (None, false) => SeccompRequest::Invalid("Missing Seccomp profile name"),
        }
    }
}
