//! The options that an agent is started with.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use edge::libprocess::message::SenderCheck;
use views::agent::Limits;
use views::master::Build;

use super::containers::ContainerizerName;
use super::docker::DockerOptions;
use super::fetch::FetchOptions;
use super::images::ImageOptions;
use super::logger::ContainerLogger;

/// The program that runs inside containers of command tasks. With the single argument `container-init` in place of
/// those of `argv`, it starts custom executors (`executor::init`).
#[derive(Debug, Clone)]
pub struct ExecutorProgram {
    /// The path of the program.
    pub path: PathBuf,
    /// The arguments, beginning with `argv[0]`.
    pub argv: Vec<String>,
}

/// The options that an agent is started with, one for each group of flags.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// `--ip`: the address to listen on.
    pub ip: Ipv4Addr,
    /// `--port`: zero for any free port.
    pub port: u16,
    /// `--advertise_ip`: the address that peers connect to; `None` for `ip`.
    pub advertise_ip: Option<Ipv4Addr>,
    /// `--advertise_port`: the port that peers connect to; `None` for the port that the agent listens on.
    pub advertise_port: Option<u16>,
    /// The check of the senders of libprocess messages.
    pub sender_check: SenderCheck,
    /// `--master`: `zk://…`, `host:port`, `master@host:port`, or `file://` of a file with one of them.
    pub master: String,
    /// `--zk_session_timeout`: the session timeout of the detector.
    pub zk_session_timeout: Duration,
    /// The configuration of the core. The address in its `pid` is replaced by the address that the agent listens on.
    pub config: ::agent::Config,
    /// The configuration of the containerizer: launcher, isolation, directories.
    pub containerizer: containerizer::Config,
    /// The executor of command tasks; `None` for this executable with the argument `executor`.
    pub executor: Option<ExecutorProgram>,
    /// `--strict`: whether records that cannot be read keep the agent from starting.
    pub strict: bool,
    /// `--container_logger`: the bounds of the outputs of containers.
    pub container_logger: ContainerLogger,
    /// The settings of the fetcher.
    pub fetch: FetchOptions,
    /// The settings for images.
    pub images: ImageOptions,
    /// `--containerizers`: who launches containers, in the order in which they are asked.
    pub containerizers: Vec<ContainerizerName>,
    /// The settings of the Docker containerizer; `None` if it is not one of the containerizers.
    pub docker: Option<DockerOptions>,
    /// `--http_heartbeat_interval`: the time between heartbeats on the output of a session.
    pub http_heartbeat_interval: Duration,
    /// `--revocable_cpu_low_priority`: whether containers with revocable processors get low priority.
    pub revocable_cpu_low_priority: bool,
    /// Every flag that has a value, for `/flags`.
    pub flags: Vec<(String, String)>,
    /// The description of the program for `/version`.
    pub build: Build,
    /// The bounds of the histories that views keep.
    pub history: Limits,
    /// The file that is served as `/slave/log`.
    pub log_file: Option<PathBuf>,
    /// Sets the verbosity of the log on behalf of an operator: 0 is the normal level, higher values log more.
    pub set_log_level: Option<fn(u32)>,
}

impl AgentOptions {
    /// Returns options with the defaults of Mesos. `config.pid` names the process; its address is ignored.
    pub fn new(ip: Ipv4Addr, port: u16, master: impl Into<String>, config: ::agent::Config) -> Self {
        AgentOptions {
            ip,
            port,
            advertise_ip: None,
            advertise_port: None,
            sender_check: SenderCheck::default(),
            master: master.into(),
            zk_session_timeout: Duration::from_secs(10),
            build: Build { version: config.version.clone(), ..Build::default() },
            containerizer: containerizer::Config {
                runtime_dir: config.work_dir.join("run"),
                ..containerizer::Config::default()
            },
            config,
            executor: None,
            strict: true,
            container_logger: ContainerLogger::default(),
            fetch: FetchOptions::default(),
            images: ImageOptions::default(),
            containerizers: vec![ContainerizerName::Mesos],
            docker: None,
            http_heartbeat_interval: Duration::from_secs(30),
            revocable_cpu_low_priority: true,
            flags: Vec::new(),
            history: Limits::default(),
            log_file: None,
            set_log_level: None,
        }
    }
}
