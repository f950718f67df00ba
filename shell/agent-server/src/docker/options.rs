//! The flags of the Docker containerizer.

use std::path::PathBuf;
use std::time::Duration;

use docker::Socket;
use provisioner::Credentials;

/// The flags of the Docker containerizer.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// `--docker_socket`.
    pub socket: Socket,
    /// `--docker_stop_timeout`: the time between the first signal and SIGKILL, where neither the task nor a kill names one.
    pub stop_timeout: Duration,
    /// `--docker_remove_delay`: how long containers that have ended are kept.
    pub remove_delay: Duration,
    /// `--docker_kill_orphans`: whether containers of Mesos that the agent does not know are removed.
    pub kill_orphans: bool,
    /// `--docker_config`.
    pub credentials: Credentials,
    /// `--sandbox_directory`: the path of the sandbox in containers.
    pub sandbox_directory: PathBuf,
    /// `--default_container_dns` as JSON.
    pub dns: Option<serde_json::Value>,
    /// `--cgroups_enable_cfs`.
    pub cgroups_enable_cfs: bool,
    /// `--cgroups_limit_swap`.
    pub cgroups_limit_swap: bool,
}
