//! The configuration of an agent, fixed from its start: flags of `mesos-agent` as typed values with Mesos' defaults,
//! and facts about the machine that only the shell can know.

use std::path::PathBuf;
use std::time::Duration;

use messages::v1;
use model::Upid;
use resources::Resources;

use crate::recovery::ReconfigurationPolicy;
use crate::usage::{QosController, ResourceEstimator};

/// The version that the agent announces by default. Masters refuse agents below 1.0.0.
pub const VERSION: &str = "1.11.0";

/// `--recover`: the action for executors of an earlier process of this agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recover {
    /// The executors are asked to reconnect, and their tasks continue.
    #[default]
    Reconnect,
    /// The executors are ended, and then the agent terminates and is removed.
    Cleanup,
}

/// The configuration of an agent, fixed from its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The agent's libprocess process: `slave(1)@ip:port`.
    pub pid: Upid,
    /// The host name that is shown to frameworks and operators.
    pub hostname: String,
    /// The resources that the agent offers, without allocation.
    pub resources: Resources,
    /// `--attributes`.
    pub attributes: Vec<v1::Attribute>,
    /// `--domain`.
    pub domain: Option<v1::DomainInfo>,
    /// The version that is announced to masters.
    pub version: String,
    /// The capabilities that are announced to masters.
    pub capabilities: Vec<v1::agent_info::capability::Type>,
    /// The work directory; absolute.
    pub work_dir: PathBuf,
    /// `--switch_user`: executors run as the user of their framework.
    pub switch_user: bool,
    /// `--executor_registration_timeout`: an executor that takes longer to register is destroyed.
    pub executor_registration_timeout: Duration,
    /// `--executor_reregistration_timeout`; executors get it as their subscription backoff.
    pub executor_reregistration_timeout: Duration,
    /// `--executor_reregistration_retry_interval`: the time after which v0 executors are asked again to reconnect;
    /// `None` asks once.
    pub executor_reregistration_retry_interval: Option<Duration>,
    /// `--executor_shutdown_grace_period`: an executor that takes longer to shut down is destroyed.
    pub executor_shutdown_grace_period: Duration,
    /// `--recovery_timeout`: executors exit by themselves if their agent is gone for longer.
    pub recovery_timeout: Duration,
    /// `--recover`.
    pub recover: Recover,
    /// `--reconfiguration_policy`.
    pub reconfiguration_policy: ReconfigurationPolicy,
    /// The boot id of the running kernel; `None` if it cannot be known, and then a restart of the machine is not
    /// noticed.
    pub boot_id: Option<String>,
    /// `--registration_backoff_factor`: the upper bound of the first random wait between registrations.
    pub registration_backoff_factor: Duration,
    /// `--gc_non_executor_container_sandboxes`: whether the sandbox of a nested container is removed at that age after its end
    /// while its executor runs.
    pub gc_non_executor_container_sandboxes: bool,
    /// `--gc_delay`: the age at which a sandbox is removed if the disk is empty.
    pub gc_delay: Duration,
    /// `--gc_disk_headroom`: the fraction of the disk to keep free, 0..1.
    pub gc_disk_headroom: f64,
    /// `--disk_watch_interval`.
    pub disk_watch_interval: Duration,
    /// `--executor_environment_variables`.
    pub executor_environment_variables: Vec<(String, String)>,
    /// `LIBPROCESS_IP` of the agent's environment, which executors are given as well.
    pub libprocess_ip: Option<String>,
    /// `MESOS_NATIVE_LIBRARY` and `MESOS_NATIVE_JAVA_LIBRARY` for v0 executors; `None` if no libmesos is installed.
    pub native_library: Option<String>,
    /// `--http_command_executor`.
    pub http_command_executor: bool,
    /// `--launcher_dir`: the directory of the executors.
    pub launcher_dir: PathBuf,
    /// The program that runs the task of a command executor.
    pub command_executor: PathBuf,
    /// The program that runs task groups of executors of type DEFAULT.
    pub default_executor: PathBuf,
    /// `--sandbox_directory`: the path of the sandbox in a container with its own root file system.
    pub sandbox_directory: String,
    /// `--default_container_info`: the container of executors and command tasks that describe none.
    pub default_container_info: Option<Box<v1::ContainerInfo>>,
    /// `--cgroups_enable_cfs`: without it a cpu limit is not computed from requests.
    pub cgroups_enable_cfs: bool,
    /// `--resource_estimator`.
    pub estimator: ResourceEstimator,
    /// `--oversubscribed_resources_interval`.
    pub oversubscribed_resources_interval: Duration,
    /// `--qos_controller`.
    pub qos: QosController,
    /// `--qos_correction_interval_min`.
    pub qos_correction_interval_min: Duration,
}

impl Config {
    /// Creates the configuration with Mesos' defaults for everything except the four parameters.
    pub fn new(pid: Upid, hostname: impl Into<String>, work_dir: impl Into<PathBuf>, resources: Resources) -> Self {
        let launcher_dir = PathBuf::from("/usr/libexec/mesos");
        Config {
            pid,
            hostname: hostname.into(),
            resources,
            attributes: Vec::new(),
            domain: None,
            version: VERSION.to_owned(),
            capabilities: default_capabilities(),
            work_dir: work_dir.into(),
            switch_user: true,
            executor_registration_timeout: Duration::from_secs(60),
            executor_reregistration_timeout: Duration::from_secs(2),
            executor_reregistration_retry_interval: None,
            executor_shutdown_grace_period: Duration::from_secs(5),
            recovery_timeout: Duration::from_secs(15 * 60),
            recover: Recover::Reconnect,
            reconfiguration_policy: ReconfigurationPolicy::Equal,
            boot_id: None,
            registration_backoff_factor: Duration::from_secs(1),
            gc_non_executor_container_sandboxes: false,
            gc_delay: Duration::from_secs(7 * 24 * 60 * 60),
            gc_disk_headroom: 0.1,
            disk_watch_interval: Duration::from_secs(60),
            executor_environment_variables: Vec::new(),
            libprocess_ip: None,
            native_library: None,
            http_command_executor: false,
            command_executor: launcher_dir.join("mesos-executor"),
            default_executor: launcher_dir.join("mesos-default-executor"),
            launcher_dir,
            sandbox_directory: "/mnt/mesos/sandbox".to_owned(),
            default_container_info: None,
            cgroups_enable_cfs: false,
            estimator: ResourceEstimator::Noop,
            oversubscribed_resources_interval: Duration::from_secs(15),
            qos: QosController::default(),
            qos_correction_interval_min: Duration::ZERO,
        }
    }
}

/// Returns the eight capabilities that a Mesos 1.11 agent announces.
fn default_capabilities() -> Vec<v1::agent_info::capability::Type> {
    use v1::agent_info::capability::Type;
    vec![
        Type::MultiRole,
        Type::HierarchicalRole,
        Type::ReservationRefinement,
        Type::ResourceProvider,
        Type::ResizeVolume,
        Type::AgentOperationFeedback,
        Type::AgentDraining,
        Type::TaskResourceLimits,
    ]
}
