//! The leading master, and how far the registration with it has come.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use messages::v1;
use model::{Random, Upid};

/// Mesos' `REGISTER_RETRY_INTERVAL_MAX`.
const REGISTER_RETRY_MAX: Duration = Duration::from_secs(60);
/// Five pings of fifteen seconds, unless the master says otherwise.
const PING_TIMEOUT: Duration = Duration::from_secs(75);
/// Registrations that may be without an answer in a cluster that is well.
const FEW_REGISTRATIONS: u32 = 4;

/// How far the registration has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RegistrationState {
    Disconnected,
    Registered,
    /// Nothing new is accepted; the process ends when the last framework is gone.
    Terminating,
}

/// The connection to the leading master.
#[derive(Debug)]
pub(crate) struct MasterConnection {
    leader: Option<Leader>,
    state: RegistrationState,
    /// The bound of the next random wait between two registrations.
    backoff: Duration,
    /// Registrations sent to this master without an answer.
    unanswered: u32,
    ping_timeout: Duration,
    /// Why the agent terminates.
    termination_reason: String,
    /// The reason has been given.
    terminated: bool,
}

#[derive(Debug)]
struct Leader {
    info: Box<v1::MasterInfo>,
    pid: Upid,
}

impl Default for MasterConnection {
    fn default() -> Self {
        MasterConnection {
            leader: None,
            state: RegistrationState::Disconnected,
            backoff: Duration::ZERO,
            unanswered: 0,
            ping_timeout: PING_TIMEOUT,
            termination_reason: String::new(),
            terminated: false,
        }
    }
}

impl MasterConnection {
    /// Replaces the leading master. One without a usable address counts as none.
    pub fn set_leader(&mut self, master: Option<Box<v1::MasterInfo>>) {
        self.leader = master.and_then(|info| match pid_of(&info) {
            Some(pid) => Some(Leader { info, pid }),
            None => {
                tracing::error!(
                    master = info.id,
                    hostname = info.hostname(),
                    "ignoring a master without a usable address"
                );
                None
            }
        });
    }

    /// The description of the leading master.
    pub fn info(&self) -> Option<&v1::MasterInfo> {
        self.leader.as_ref().map(|leader| &*leader.info)
    }

    /// The process of the leading master.
    pub fn pid(&self) -> Option<&Upid> {
        self.leader.as_ref().map(|leader| &leader.pid)
    }

    /// Whether this is the leading master. Only it is obeyed: a deposed one may still believe in itself.
    pub fn leads(&self, from: &Upid) -> bool {
        self.pid() == Some(from)
    }

    /// The process of the master that the agent is registered with.
    pub fn registered_pid(&self) -> Option<&Upid> {
        self.pid().filter(|_| self.is_registered())
    }

    /// Whether the leading master has accepted the agent.
    pub fn is_registered(&self) -> bool {
        self.state == RegistrationState::Registered
    }

    /// Whether the agent has yet to register.
    pub fn is_disconnected(&self) -> bool {
        self.state == RegistrationState::Disconnected
    }

    /// Whether nothing new is accepted because the agent is about to end.
    pub fn is_terminating(&self) -> bool {
        self.state == RegistrationState::Terminating
    }

    /// Notes that the master has accepted the agent. `ping_timeout_seconds` is how long the agent waits for a ping; the
    /// wait stays a sane number whatever a master sends.
    pub fn registered(&mut self, ping_timeout_seconds: Option<f64>) {
        let seconds = ping_timeout_seconds.filter(|s| s.is_finite() && *s >= 1.0).map(|s| s.min(1e6));
        self.ping_timeout = seconds.map_or(PING_TIMEOUT, Duration::from_secs_f64);
        self.state = RegistrationState::Registered;
    }

    /// Notes that the agent has to register again, unless it is terminating.
    pub fn disconnected(&mut self) {
        if self.state != RegistrationState::Terminating {
            self.state = RegistrationState::Disconnected;
        }
    }

    /// How long to wait for a ping before registering again.
    pub fn ping_timeout(&self) -> Duration {
        self.ping_timeout
    }

    /// The wait before the first registration: random, since after a failover thousands of agents detect the new master
    /// at once.
    pub fn first_wait(&mut self, factor: Duration, random: &mut Random) -> Duration {
        self.backoff = factor.saturating_mul(2);
        self.unanswered = 0;
        factor.mul_f64(random.unit())
    }

    /// Notes that a registration was sent.
    pub fn registration_sent(&mut self) {
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// The number of registrations without an answer, each time that it is to be reported: at 4, 8, 16….
    pub fn silence(&self) -> Option<u32> {
        Some(self.unanswered).filter(|count| *count >= FEW_REGISTRATIONS && count.is_power_of_two())
    }

    /// The wait before the next registration.
    pub fn next_wait(&mut self, random: &mut Random) -> Duration {
        let bound = self.backoff.min(REGISTER_RETRY_MAX);
        self.backoff = bound.saturating_mul(2);
        bound.mul_f64(random.unit())
    }

    /// Accepts nothing new from now on.
    pub fn terminate(&mut self, reason: &str) {
        self.state = RegistrationState::Terminating;
        self.termination_reason = reason.to_owned();
    }

    /// Why the agent terminates; `None` if it does not, or has said so before.
    pub fn take_termination(&mut self) -> Option<String> {
        if self.state != RegistrationState::Terminating || self.terminated {
            return None;
        }
        self.terminated = true;
        Some(self.termination_reason.clone())
    }
}

/// `pid` where the detector gives one, else the master's process at its address. `ip` is the address as it lies in
/// memory in network order, read on a little-endian machine.
fn pid_of(info: &v1::MasterInfo) -> Option<Upid> {
    if let Some(pid) = info.pid.as_deref().and_then(|pid| pid.parse().ok()) {
        return Some(pid);
    }
    let named = info.address.as_ref().and_then(|address| {
        let ip: Ipv4Addr = address.ip.as_deref()?.parse().ok()?;
        Some(SocketAddrV4::new(ip, u16::try_from(address.port).ok()?))
    });
    let address = match named {
        Some(address) => address,
        None => SocketAddrV4::new(Ipv4Addr::from(info.ip.to_le_bytes()), u16::try_from(info.port).ok()?),
    };
    (address.port() != 0).then(|| Upid::new("master", address))
}
