//! The options that a master is started with.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use edge::libprocess::message::SenderCheck;
use views::master::{Build, Limits};

use super::failures::SinkOptions;
use super::registrar::RegistryBackend;

/// The options that a master is started with, one for each group of flags.
#[derive(Debug, Clone)]
pub struct MasterOptions {
    /// `--ip`: the address to listen on.
    pub ip: Ipv4Addr,
    /// `--port`: zero for any free port.
    pub port: u16,
    /// `--advertise_ip`: the address that peers connect to; `None` for `ip`.
    pub advertise_ip: Option<Ipv4Addr>,
    /// `--advertise_port`: the port that peers connect to; `None` for the port that the master listens on.
    pub advertise_port: Option<u16>,
    /// The check of the senders of libprocess messages.
    pub sender_check: SenderCheck,
    /// `--hostname`: the name that clients are redirected to.
    pub hostname: String,
    /// `--work_dir`: the directory of the embedded registry.
    pub work_dir: Option<PathBuf>,
    /// `--zk`: the coordination service of the election; `None` for a standalone master.
    pub election: Option<election::ZooKeeper>,
    /// The executable that runs [`run_node_cleanup`](super::run_node_cleanup) when this master is killed.
    pub node_cleanup: Option<PathBuf>,
    /// `--registry`: the backend of the registry.
    pub registry: RegistryBackend,
    /// `--registry_fetch_timeout`: the time for reading the registry.
    pub registry_fetch_timeout: Duration,
    /// `--registry_store_timeout`: the time for a write of the registry, after which an error is reported.
    pub registry_store_timeout: Duration,
    /// The configuration of the core. Its address and hostname are replaced by those above.
    pub config: ::master::Config,
    /// Every flag that has a value, for `/flags`.
    pub flags: Vec<(String, String)>,
    /// `--whitelist`: a file with the host names of the agents whose resources are offered. Changes of the file take
    /// effect.
    pub whitelist: Option<PathBuf>,
    /// The description of the program for `/version`.
    pub build: Build,
    /// The bounds of the histories that views keep.
    pub history: Limits,
    /// The file that is served as `/master/log`.
    pub log_file: Option<PathBuf>,
    /// Sets the verbosity of the log on behalf of an operator: 0 is the normal level, higher values log more.
    pub set_log_level: Option<fn(u32)>,
    /// `--failure_sinks`: the recipients of notifications about incidents.
    pub failure_sinks: Vec<SinkOptions>,
    /// `--max_operator_event_stream_subscribers`: the maximum of event streams of operators.
    pub max_operator_subscribers: usize,
    /// `--publish_per_framework_metrics`.
    pub publish_per_framework_metrics: bool,
}

impl MasterOptions {
    /// Returns the options of a standalone master with a registry in memory and the defaults of Mesos.
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
