//! The configuration of the containerizer: launcher, isolators, roots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use ids::ContainerId;

use crate::perf::{PerfEvent, parse_events};
use crate::{AllowedDevice, CapabilityRequest, NetClassHandles, NetworkDns, Rotation};

/// The way in which processes are started and tracked (`--launcher`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Launcher {
    /// `Linux` where this process may create cgroups, else `Posix`.
    #[default]
    Auto,
    /// Every container is a cgroup of its own, which no process can leave.
    Linux,
    /// Every container is a session and the tree of processes below it. Processes can escape from it.
    Posix,
}

/// The networks that containers can join by plugins (CNI).
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// The directory of configurations and the directories of plugins, separated by colons (`--network_cni_config_dir`,
    /// `--network_cni_plugins_dir`). Without them there are no networks.
    pub directories: Option<(PathBuf, String)>,
    /// The directory with the state of containers in networks: `isolators/network/cni` below the runtime directory, or below
    /// the work directory with `--network_cni_root_dir_persist`.
    pub root: PathBuf,
    /// How names are resolved in networks whose plugin does not say it (`--default_container_dns`).
    pub dns: Vec<NetworkDns>,
    /// Whether the traffic of containers is measured (`--network_cni_metrics`).
    pub metrics: bool,
    /// The time after which a plugin is killed.
    pub plugin_timeout: Duration,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        NetworkConfig {
            directories: None,
            root: "/var/run/mesos/isolators/network/cni".into(),
            dns: Vec::new(),
            metrics: true,
            // An executor has a minute to register (`--executor_registration_timeout`).
            plugin_timeout: Duration::from_secs(30),
        }
    }
}

/// How `network/ports` compares the ports that containers listen on with those of their resources.
#[derive(Debug, Clone)]
pub struct PortsConfig {
    /// The interval (`--container_ports_watch_interval`).
    pub watch_interval: Duration,
    /// Whether a container that listens on other ports is ended, and not only logged (`--enforce_container_ports`).
    pub enforced: bool,
    /// The inclusive ranges of ports that are compared; `None` for all (`--container_ports_isolated_range`,
    /// `--check_agent_port_range_only`).
    pub isolated: Option<Vec<(u16, u16)>>,
}

impl Default for PortsConfig {
    fn default() -> Self {
        PortsConfig { watch_interval: Duration::from_secs(30), enforced: false, isolated: None }
    }
}

/// The options of `cgroups/perf_event`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerfConfig {
    /// The names of the events, as `perf list` has them; none to count nothing (`--perf_events`).
    pub events: Vec<String>,
    /// The time from one counting to the next (`--perf_interval`).
    pub interval: Duration,
    /// The time of one counting (`--perf_duration`).
    pub duration: Duration,
}

impl Default for PerfConfig {
    fn default() -> Self {
        PerfConfig { events: Vec::new(), interval: Duration::from_secs(60), duration: Duration::from_secs(10) }
    }
}

impl PerfConfig {
    /// Checks the names of the events.
    ///
    /// # Errors
    /// Returns which name is no event, in the words of Mesos.
    pub fn check(&self) -> Result<(), String> {
        self.parsed_events().map(drop)
    }

    /// Returns the events by their names.
    ///
    /// # Errors
    /// Returns which name is no event, in the words of Mesos.
    pub(crate) fn parsed_events(&self) -> Result<Vec<PerfEvent>, String> {
        parse_events(&self.events).map_err(|name| {
            format!(
                "Invalid perf events: {{ {} }}: '{name}' is no event of PerfStatistics; --perf_events takes for instance \
                 cycles,instructions,task-clock",
                self.events.join(", ")
            )
        })
    }
}

/// The options of `gpu/nvidia`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuConfig {
    /// The minor numbers of the GPUs for containers (`--nvidia_gpu_devices`, by [`crate::Nvml::minor_number`]).
    pub minors: Vec<u32>,
    /// The directory of the device nodes.
    pub device_directory: PathBuf,
    /// The directory of the driver's files for images that ask for them ([`crate::driver_volume`]).
    pub driver_volume: Option<PathBuf>,
}

impl Default for GpuConfig {
    fn default() -> Self {
        GpuConfig { minors: Vec::new(), device_directory: "/dev".into(), driver_volume: None }
    }
}

/// The options of `disk/xfs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XfsConfig {
    /// The projects for sandboxes and volumes: inclusive ranges without zero (`--xfs_project_range`).
    pub project_range: Vec<(u32, u32)>,
    /// Whether a container that uses too much disk space is ended, instead of its writes failing
    /// (`--xfs_kill_containers`). It has an effect with [`Config::enforce_container_disk_quota`] only.
    pub kill_containers: bool,
    /// The bytes beyond the limit at which the writes of such a container fail (`--xfs_quota_headroom`).
    pub quota_headroom: u64,
}

impl Default for XfsConfig {
    fn default() -> Self {
        XfsConfig { project_range: vec![(5000, 10_000)], kill_containers: false, quota_headroom: 10 << 20 }
    }
}

/// The operator's choices, and the agent's records of its containers.
#[derive(Debug, Clone)]
pub struct Config {
    /// The way in which processes are started and tracked (`--launcher`).
    pub launcher: Launcher,
    /// The names of Mesos' `--isolation`.
    pub isolation: Vec<String>,
    /// The directory at or below which cgroup hierarchies are mounted (`--cgroups_hierarchy`).
    pub cgroups_hierarchy: PathBuf,
    /// The cgroup below the root of each hierarchy that has all cgroups of this agent (`--cgroups_root`).
    pub cgroups_root: String,
    /// Whether a container may not use more than its processors even on an idle machine (`--cgroups_enable_cfs`).
    pub cgroups_enable_cfs: bool,
    /// Whether memory and swap are limited together (`--cgroups_limit_swap`).
    pub cgroups_limit_swap: bool,
    /// Whether containers can have images although this process is not root: whether user namespaces are allowed.
    pub rootless_images: bool,
    /// The capabilities of containers that do not ask for others, and the limit of what they can ask for
    /// (`--effective_capabilities`, `--bounding_capabilities`).
    pub capabilities: CapabilityRequest,
    /// The size of `/dev/shm` of containers that do not name it, in bytes (`--default_container_shm_size`).
    pub default_container_shm_size: Option<u64>,
    /// Whether containers must not use the pid namespace of the agent (`--disallow_sharing_agent_pid_namespace`).
    pub disallow_sharing_agent_pid_namespace: bool,
    /// Whether containers must not use the IPC namespace of the agent (`--disallow_sharing_agent_ipc_namespace`).
    pub disallow_sharing_agent_ipc_namespace: bool,
    /// The interval at which the disk usage of containers is measured (`--container_disk_watch_interval`).
    pub container_disk_watch_interval: Duration,
    /// Whether a container that uses too much disk space is ended (`--enforce_container_disk_quota`).
    pub enforce_container_disk_quota: bool,
    /// The options of `disk/xfs`.
    pub xfs: XfsConfig,
    /// The options of `cgroups/perf_event`.
    pub perf: PerfConfig,
    /// The options of `gpu/nvidia`.
    pub gpu: GpuConfig,
    /// The devices that containers can use besides those that every program expects (`--allowed_devices`).
    pub allowed_devices: Vec<AllowedDevice>,
    /// The classes of network packets (`--cgroups_net_cls_primary_handle`, `--cgroups_net_cls_secondary_handles`).
    pub net_cls_handles: Option<NetClassHandles>,
    /// The networks that containers can join.
    pub networks: NetworkConfig,
    /// The check of ports that containers listen on.
    pub ports: PortsConfig,
    /// The directories below which missing sources of volumes are made (`--host_path_volume_force_creation`).
    pub host_path_volume_force_creation: Vec<PathBuf>,
    /// The directory of the profiles of system calls (`--seccomp_config_dir`).
    pub seccomp_config_dir: Option<PathBuf>,
    /// The profile of containers that do not ask for another one (`--seccomp_profile_name`); `None` for the built-in one.
    pub seccomp_profile_name: Option<String>,
    /// The time after which a container that has not ended is reported (`--cgroups_destroy_timeout`).
    pub destroy_timeout: Duration,
    /// The directory with the state of running containers, by which a restarted agent finds them (`--runtime_dir`).
    pub runtime_dir: PathBuf,
    /// The agent's work directory. Processes in sandboxes below it belong to the agent, even if `runtime_dir` is lost.
    pub work_dir: Option<PathBuf>,
    /// The containers that run according to the agent's own records. They are recovered by any of the three sources.
    pub expected: BTreeSet<ContainerId>,
    /// The rotated outputs of those containers by the agent's own records. They count for a container of which the runtime
    /// directory does not say how its outputs are rotated.
    pub outputs: BTreeMap<ContainerId, Vec<(PathBuf, Rotation)>>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            launcher: Launcher::Auto,
            isolation: vec!["posix/cpu".into(), "posix/mem".into()],
            cgroups_hierarchy: "/sys/fs/cgroup".into(),
            cgroups_root: "mesos".into(),
            cgroups_enable_cfs: false,
            cgroups_limit_swap: false,
            rootless_images: false,
            capabilities: CapabilityRequest::default(),
            default_container_shm_size: None,
            disallow_sharing_agent_pid_namespace: false,
            disallow_sharing_agent_ipc_namespace: false,
            container_disk_watch_interval: Duration::from_secs(15),
            enforce_container_disk_quota: false,
            xfs: XfsConfig::default(),
            perf: PerfConfig::default(),
            gpu: GpuConfig::default(),
            allowed_devices: Vec::new(),
            net_cls_handles: None,
            networks: NetworkConfig::default(),
            ports: PortsConfig::default(),
            host_path_volume_force_creation: Vec::new(),
            seccomp_config_dir: None,
            seccomp_profile_name: None,
            destroy_timeout: Duration::from_secs(60),
            runtime_dir: "/var/run/mesos".into(),
            work_dir: None,
            expected: BTreeSet::new(),
            outputs: BTreeMap::new(),
        }
    }
}
