//! What an operator can set about a master's decisions, with Mesos' defaults
//! (`src/master/constants.hpp` and the master's flags).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::time::Duration;

use messages::v1;
use model::Upid;

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where peers reach this master (`--ip`/`--advertise_ip`, `--port`/`--advertise_port`).
    pub address: SocketAddrV4,
    /// The host name that the master advertises (`--hostname`).
    pub hostname: String,
    /// What is advertised to clients that compare versions.
    pub version: String,
    /// The fault domain of the master (`--domain`).
    pub domain: Option<v1::DomainInfo>,
    /// Fixed by tests and by `--master_id`-like needs; minted from the seed otherwise.
    pub master_id: Option<String>,

    /// Time between two heartbeats on the stream of an HTTP scheduler.
    pub heartbeat_interval: Duration,
    /// Time between two pings of an agent (`--agent_ping_timeout`).
    pub agent_ping_timeout: Duration,
    /// Missed pings after which an agent is marked unreachable (`--max_agent_ping_timeouts`).
    pub max_agent_ping_timeouts: u32,
    /// Time in which a disconnected or recovered agent has to re-register (`--agent_reregister_timeout`).
    pub agent_reregister_timeout: Duration,
    /// Whether agents without a domain are refused (`--require_agent_domain`).
    pub require_agent_domain: bool,

    /// Upper bound between allocation runs; runs are event-driven otherwise.
    pub allocation_interval: Duration,
    /// How long the first dirty mark waits for more before an allocation run.
    pub allocation_delay: Duration,
    /// Time after which an outstanding offer is rescinded (`--offer_timeout`); `None` for never.
    pub offer_timeout: Option<Duration>,
    /// Offers per OFFERS event (or message): bounds the size of one record.
    pub max_offers_per_event: usize,

    /// `--roles`: the only roles that frameworks may subscribe to.
    pub roles: Option<BTreeSet<String>>,
    /// Whether frameworks may run as `root` (`--root_submissions`).
    pub root_submissions: bool,
    /// `--weights`: of a cluster whose registry has none.
    pub weights: BTreeMap<String, f64>,

    /// `--offer_constraints_re2_max_mem`, `--offer_constraints_re2_max_program_size`.
    pub offer_constraints_limits: allocator::PatternLimits,

    /// Policy of the allocator; its randomness, interval and region are the master's.
    pub allocator: allocator::Options,

    /// How many ids of completed frameworks are kept (`--max_completed_frameworks`).
    pub max_completed_frameworks: usize,
    /// How many unreachable tasks are kept per framework (`--max_unreachable_tasks_per_framework`).
    pub max_unreachable_tasks_per_framework: usize,
    /// The time between two agents that are marked unreachable (`--agent_removal_rate_limit`); `None` without a limit.
    pub agent_removal_interval: Option<Duration>,
    /// The share of agents, up to 1, that may be marked unreachable after a failover (`--recovery_agent_removal_limit`).
    pub recovery_agent_removal_limit: f64,
    /// Time between two garbage collections of the registry (`--registry_gc_interval`).
    pub registry_gc_interval: Duration,
    /// How long the registry keeps unreachable and gone agents (`--registry_max_agent_age`).
    pub registry_max_agent_age: Duration,
    /// How many unreachable, and how many gone agents the registry keeps (`--registry_max_agent_count`).
    pub registry_max_agent_count: usize,
    /// `--recovery_policy`; the defaults for this ping timeout when there is none.
    pub recovery_policy: Option<failures::Policy>,
    /// Registry changes that may wait for the disk; a peer beyond it is ignored and retries.
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

    /// The id of the master's libprocess process.
    pub fn pid(&self) -> Upid {
        Upid::new("master", self.address)
    }

    /// The time after which agents, without a ping, take the master for gone; they are sent it when they register.
    pub fn total_ping_timeout(&self) -> Duration {
        self.agent_ping_timeout.saturating_mul(self.max_agent_ping_timeouts)
    }

    /// Whether frameworks may subscribe to a role (`--roles`).
    pub fn role_allowed(&self, role: &str) -> bool {
        // The default role always is, as in Mesos.
        role == resources::roles::ANY || self.roles.as_ref().is_none_or(|roles| roles.contains(role))
    }

    /// The `MasterInfo` that frameworks, agents and detectors are given.
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
