//! The configuration of a master's decisions, with Mesos' defaults (`src/master/constants.hpp` and the master's flags).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::time::Duration;

use messages::v1;
use model::Upid;

/// The configuration of a master.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address at which peers reach this master (`--ip`/`--advertise_ip`, `--port`/`--advertise_port`).
    pub address: SocketAddrV4,
    /// The host name that the master advertises (`--hostname`).
    pub hostname: String,
    /// The version that is advertised to clients that compare versions.
    pub version: String,
    /// The fault domain of the master (`--domain`).
    pub domain: Option<v1::DomainInfo>,
    /// The id of the master; `None` mints one from the seed.
    pub master_id: Option<String>,

    /// The time between two heartbeats on the stream of an HTTP scheduler.
    pub heartbeat_interval: Duration,
    /// The time between two pings of an agent (`--agent_ping_timeout`).
    pub agent_ping_timeout: Duration,
    /// The number of missed pings after which an agent is marked unreachable (`--max_agent_ping_timeouts`).
    pub max_agent_ping_timeouts: u32,
    /// The time in which a disconnected or recovered agent has to re-register (`--agent_reregister_timeout`).
    pub agent_reregister_timeout: Duration,
    /// Whether agents without a domain are refused (`--require_agent_domain`).
    pub require_agent_domain: bool,

    /// The longest time between two allocation runs; runs are event-driven otherwise (`--allocation_interval`).
    pub allocation_interval: Duration,
    /// The time between the first change and the allocation run, in which further changes are collected.
    pub allocation_delay: Duration,
    /// The time after which an outstanding offer is rescinded (`--offer_timeout`); `None` for never.
    pub offer_timeout: Option<Duration>,
    /// The most offers of one OFFERS event (or message), which bounds the size of one record.
    pub max_offers_per_event: usize,

    /// `--roles`: the only roles that frameworks may subscribe to.
    pub roles: Option<BTreeSet<String>>,
    /// Whether frameworks may run as `root` (`--root_submissions`).
    pub root_submissions: bool,
    /// The weights of a cluster whose registry has none (`--weights`).
    pub weights: BTreeMap<String, f64>,

    /// `--offer_constraints_re2_max_mem`, `--offer_constraints_re2_max_program_size`.
    pub offer_constraints_limits: allocator::PatternLimits,

    /// The policy of the allocator; its randomness, interval and region are taken from the master.
    pub allocator: allocator::Options,

    /// The number of ids of completed frameworks that are kept (`--max_completed_frameworks`).
    pub max_completed_frameworks: usize,
    /// The number of unreachable tasks that are kept per framework (`--max_unreachable_tasks_per_framework`).
    pub max_unreachable_tasks_per_framework: usize,
    /// The time between two agents that are marked unreachable (`--agent_removal_rate_limit`); `None` for no limit.
    pub agent_removal_interval: Option<Duration>,
    /// The share of agents, up to 1, that may be marked unreachable after a failover
    /// (`--recovery_agent_removal_limit`).
    pub recovery_agent_removal_limit: f64,
    /// The time between two garbage collections of the registry (`--registry_gc_interval`).
    pub registry_gc_interval: Duration,
    /// The time for which the registry keeps unreachable and gone agents (`--registry_max_agent_age`).
    pub registry_max_agent_age: Duration,
    /// The number of unreachable, and the number of gone agents that the registry keeps (`--registry_max_agent_count`).
    pub registry_max_agent_count: usize,
    /// The recovery policy (`--recovery_policy`); `None` for the default policy of this ping timeout.
    pub recovery_policy: Option<failures::Policy>,
    /// The most registry changes that may wait for the disk; beyond it a peer's request is ignored, and the peer
    /// retries.
    pub max_pending_stores: usize,
}

impl Config {
    /// Creates the configuration of a master at `address` with the defaults of Mesos.
    pub fn new(address: SocketAddrV4, hostname: impl Into<String>) -> Self {
        Config {
            address,
            hostname: hostname.into(),
            version: "1.11.0".to_owned(),
            domain: None,
            master_id: None,
            heartbeat_interval: Duration::from_secs(15),
            agent_ping_timeout: Duration::from_secs(15),
            max_agent_ping_timeouts: 5,
            agent_reregister_timeout: Duration::from_secs(600),
            require_agent_domain: false,
            allocation_interval: Duration::from_secs(1),
            allocation_delay: Duration::from_millis(1),
            offer_timeout: None,
            max_offers_per_event: 1000,
            roles: None,
            root_submissions: true,
            weights: BTreeMap::new(),
            offer_constraints_limits: allocator::PatternLimits::default(),
            allocator: allocator::Options::default(),
            max_completed_frameworks: 50,
            max_unreachable_tasks_per_framework: 1000,
            agent_removal_interval: None,
            recovery_agent_removal_limit: 1.0,
            registry_gc_interval: Duration::from_secs(15 * 60),
            registry_max_agent_age: Duration::from_secs(14 * 24 * 60 * 60),
            registry_max_agent_count: 100 * 1024,
            recovery_policy: None,
            max_pending_stores: 100_000,
        }
    }

    /// Returns the master's libprocess process.
    pub fn pid(&self) -> Upid {
        Upid::new("master", self.address)
    }

    /// Returns the time without a ping after which agents consider the master lost; they are sent it when they
    /// register.
    pub fn total_ping_timeout(&self) -> Duration {
        self.agent_ping_timeout.saturating_mul(self.max_agent_ping_timeouts)
    }

    /// Returns whether frameworks may subscribe to a role (`--roles`).
    pub fn role_allowed(&self, role: &str) -> bool {
        // The default role is always allowed, as in Mesos.
        role == resources::roles::ANY || self.roles.as_ref().is_none_or(|roles| roles.contains(role))
    }

    /// Returns the `MasterInfo` that frameworks, agents and detectors are given.
    pub fn master_info(&self, master_id: &str) -> v1::MasterInfo {
        use v1::master_info::capability::Type;
        let capability = |kind: Type| v1::master_info::Capability { r#type: Some(kind as i32) };
        v1::MasterInfo {
            id: master_id.to_owned(),
            // Mesos stores `in_addr.s_addr`: network byte order, read as a little-endian number.
            ip: u32::from_le_bytes(self.address.ip().octets()),
            port: u32::from(self.address.port()),
            pid: Some(self.pid().to_string()),
            hostname: Some(self.hostname.clone()),
            version: Some(self.version.clone()),
            address: Some(Box::new(v1::Address {
                hostname: Some(self.hostname.clone()),
                ip: Some(self.address.ip().to_string()),
                port: i32::from(self.address.port()),
            })),
            domain: self.domain.clone().map(Box::new),
            capabilities: [Type::AgentUpdate, Type::AgentDraining, Type::QuotaV2].map(capability).to_vec(),
        }
    }
}
