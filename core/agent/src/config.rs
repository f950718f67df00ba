//! What an agent is told once, at its start: flags of `mesos-agent` as typed values with Mesos' defaults, and
//! facts about the machine that only the shell can know.

use std::path::PathBuf;
use std::time::Duration;

use messages::v1;
use model::Upid;
use resources::Resources;

use crate::recovery::ReconfigurationPolicy;
use crate::usage::{QosController, ResourceEstimator};

/// The agent's own default of the version it announces. Masters refuse agents below 1.0.0.
pub const VERSION: &str = "1.11.0";

/// `--recover`: what becomes of the executors of an earlier process of this agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recover {
    #[default]
    Reconnect,
    /// They are ended, and then the agent ends and is forgotten.
    Cleanup,
}

#[derive(Debug, Clone)]
pub struct Config {
    /// The agent's process: `slave(1)@ip:port`.
    pub pid: Upid,
    pub hostname: String,
    /// What the agent offers, without allocation.
    pub resources: Resources,
    pub attributes: Vec<v1::Attribute>,
    pub domain: Option<v1::DomainInfo>,
    pub version: String,
    pub capabilities: Vec<v1::agent_info::capability::Type>,
    /// Absolute.
    pub work_dir: PathBuf,
    pub switch_user: bool,
    pub executor_registration_timeout: Duration,
    /// `--executor_reregistration_timeout`; executors get it as their subscription backoff.
    pub executor_reregistration_timeout: Duration,
    /// `--executor_reregistration_retry_interval`: without it v0 executors are asked once to come back.
    pub executor_reregistration_retry_interval: Option<Duration>,
    pub executor_shutdown_grace_period: Duration,
    pub recovery_timeout: Duration,
    pub recover: Recover,
    pub reconfiguration_policy: ReconfigurationPolicy,
    /// Of the running kernel; `None` where it cannot be known, and a restart of the machine is not noticed.
    pub boot_id: Option<String>,
    pub registration_backoff_factor: Duration,
    pub gc_delay: Duration,
    pub gc_disk_headroom: f64,
    pub disk_watch_interval: Duration,
    /// `--executor_environment_variables`.
    pub executor_environment_variables: Vec<(String, String)>,
    /// `LIBPROCESS_IP` of the agent's environment, handed on to executors.
    pub libprocess_ip: Option<String>,
    /// `MESOS_NATIVE_LIBRARY` and `MESOS_NATIVE_JAVA_LIBRARY` for v0 executors, where a libmesos is installed.
    pub native_library: Option<String>,
    pub http_command_executor: bool,
    /// `--launcher_dir`, and the program in it that runs a single command.
    pub launcher_dir: PathBuf,
    pub command_executor: PathBuf,
    /// Runs task groups of executors of type DEFAULT.
    pub default_executor: PathBuf,
    /// `--sandbox_directory`: where a container with its own root file system sees its sandbox.
    pub sandbox_directory: String,
    /// `--cgroups_enable_cfs`: without it a cpu limit is not computed from requests.
    pub cgroups_enable_cfs: bool,
    /// `--resource_estimator`.
    pub estimator: ResourceEstimator,
    pub oversubscribed_resources_interval: Duration,
    /// `--qos_controller`.
    pub qos: QosController,
    pub qos_correction_interval_min: Duration,
}

impl Config {
    /// Mesos' defaults around the four things that have none.
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
            cgroups_enable_cfs: false,
            estimator: ResourceEstimator::Noop,
            oversubscribed_resources_interval: Duration::from_secs(15),
            qos: QosController::default(),
            qos_correction_interval_min: Duration::ZERO,
        }
    }
}

/// All eight that a Mesos 1.11 agent announces.
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
