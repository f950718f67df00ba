//! What an agent is started with.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use edge::libprocess::message::SenderCheck;
use views::agent::Limits;
use views::master::Build;

use super::fetch::FetchOptions;
use super::logger::ContainerLogger;

/// Our own program, run inside containers of command tasks. With the one argument `container-init` instead of those in
/// `argv` it starts custom executors (`executor::init`).
#[derive(Debug, Clone)]
pub struct ExecutorProgram {
    pub path: PathBuf,
    /// Including `argv[0]`.
    pub argv: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct AgentOptions {
    pub ip: Ipv4Addr,
    /// Zero for any free port.
    pub port: u16,
    pub advertise_ip: Option<Ipv4Addr>,
    pub advertise_port: Option<u16>,
    /// Whether the senders of libprocess messages are believed.
    pub sender_check: SenderCheck,
    /// `zk://…`, `host:port`, `master@host:port`, or `file://` of a file with one of them.
    pub master: String,
    pub zk_session_timeout: Duration,
    /// Decisions; the address in its `pid` is replaced by what is listened on.
    pub config: ::agent::Config,
    pub containerizer: containerizer::Config,
    /// `None`: this executable with the argument `executor`.
    pub executor: Option<ExecutorProgram>,
    /// `--strict`: records that cannot be read keep the agent from starting.
    pub strict: bool,
    /// `--container_logger`.
    pub container_logger: ContainerLogger,
    pub fetch: FetchOptions,
    pub revocable_cpu_low_priority: bool,
    /// Every flag that has a value, for `/flags`.
    pub flags: Vec<(String, String)>,
    pub build: Build,
    pub history: Limits,
    /// Served as `/slave/log`.
    pub log_file: Option<PathBuf>,
    /// Called when an operator changes the verbosity: 0 is normal, more is more.
    pub set_log_level: Option<fn(u32)>,
}

impl AgentOptions {
    /// `config.pid` names the process; its address is not looked at.
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
            revocable_cpu_low_priority: true,
            flags: Vec::new(),
            history: Limits::default(),
            log_file: None,
            set_log_level: None,
        }
    }
}
