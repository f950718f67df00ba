//! What a master is started with.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use edge::libprocess::message::SenderCheck;
use views::master::{Build, Limits};

use super::failures::SinkOptions;
use super::registrar::RegistryBackend;

#[derive(Debug, Clone)]
pub struct MasterOptions {
    pub ip: Ipv4Addr,
    /// Zero for any free port.
    pub port: u16,
    pub advertise_ip: Option<Ipv4Addr>,
    pub advertise_port: Option<u16>,
    /// Whether the senders of libprocess messages are believed.
    pub sender_check: SenderCheck,
    /// What clients are redirected to and told.
    pub hostname: String,
    pub work_dir: Option<PathBuf>,
    /// `--zk`: where masters are elected. None for a master that is alone.
    pub election: Option<election::ZooKeeper>,
    /// The program that [`run_node_cleanup`](super::run_node_cleanup)s, for a master among others that is killed.
    pub node_cleanup: Option<PathBuf>,
    pub registry: RegistryBackend,
    /// How long the registry may take to be read.
    pub registry_fetch_timeout: Duration,
    /// How long a write of it may take before that is reported as an error.
    pub registry_store_timeout: Duration,
    /// Decisions; its address and hostname are replaced by those above.
    pub config: ::master::Config,
    /// Every flag that has a value, for `/flags`.
    pub flags: Vec<(String, String)>,
    /// `--whitelist`: a file with the host names of the agents that are offered, watched for changes.
    pub whitelist: Option<PathBuf>,
    pub build: Build,
    pub history: Limits,
    /// Served as `/master/log`.
    pub log_file: Option<PathBuf>,
    /// Called when an operator changes the verbosity: 0 is normal, more is more.
    pub set_log_level: Option<fn(u32)>,
    /// `--failure_sinks`: who is told of failures.
    pub failure_sinks: Vec<SinkOptions>,
    /// `--max_operator_event_stream_subscribers`.
    pub max_operator_subscribers: usize,
    /// `--publish_per_framework_metrics`.
    pub publish_per_framework_metrics: bool,
}

impl MasterOptions {
    pub fn new(ip: Ipv4Addr, port: u16, hostname: impl Into<String>) -> Self {
        let hostname = hostname.into();
        let config = ::master::Config::new(std::net::SocketAddrV4::new(ip, port), hostname.clone());
        MasterOptions {
            ip,
            port,
            advertise_ip: None,
            advertise_port: None,
            sender_check: SenderCheck::default(),
            hostname,
            work_dir: None,
            election: None,
            node_cleanup: None,
            registry: RegistryBackend::InMemory,
            registry_fetch_timeout: Duration::from_secs(60),
            registry_store_timeout: Duration::from_secs(20),
            build: Build { version: config.version.clone(), ..Build::default() },
            config,
            flags: Vec::new(),
            whitelist: None,
            history: Limits::default(),
            log_file: None,
            set_log_level: None,
            failure_sinks: Vec::new(),
            max_operator_subscribers: 1000,
            publish_per_framework_metrics: true,
        }
    }
}
