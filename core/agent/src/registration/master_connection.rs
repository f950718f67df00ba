//! The leading master, and the state of the registration with it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use messages::v1;
use model::{Random, Upid};

/// The longest wait, that of Mesos' `REGISTER_RETRY_INTERVAL_MAX`.
const REGISTER_RETRY_MAX: Duration = Duration::from_secs(60);
/// Five pings of fifteen seconds, unless the master sends another timeout.
const PING_TIMEOUT: Duration = Duration::from_secs(75);
/// The number of unanswered registrations that is normal in a healthy cluster.
const FEW_REGISTRATIONS: u32 = 4;

/// The state of the registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RegistrationState {
    Disconnected,
    Registered,
    /// The agent terminates. It accepts no new tasks, and its process ends when the last framework is removed.
    Terminating,
}

/// The connection to the leading master.
#[derive(Debug)]
pub(crate) struct MasterConnection {
    leader: Option<Leader>,
    state: RegistrationState,
    /// The upper bound of the next random wait between two registrations.
    backoff: Duration,
    /// The number of registrations sent to this master without an answer.
    unanswered: u32,
    ping_timeout: Duration,
    /// The reason why the agent terminates.
    termination_reason: String,
    /// Whether the reason has been reported.
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

    /// Returns the description of the leading master.
    pub fn info(&self) -> Option<&v1::MasterInfo> {
        self.leader.as_ref().map(|leader| &*leader.info)
    }

    /// Returns the process of the leading master.
    pub fn pid(&self) -> Option<&Upid> {
        self.leader.as_ref().map(|leader| &leader.pid)
    }

    /// Returns whether this is the leading master. The agent obeys only it, since a deposed master may still believe
    /// that it leads.
    pub fn leads(&self, from: &Upid) -> bool {
        self.pid() == Some(from)
    }

    /// Returns the process of the master that the agent is registered with.
    pub fn registered_pid(&self) -> Option<&Upid> {
        self.pid().filter(|_| self.is_registered())
    }

    /// Returns whether the leading master has accepted the agent.
    pub fn is_registered(&self) -> bool {
        self.state == RegistrationState::Registered
    }

    /// Returns whether the agent has to register.
    pub fn is_disconnected(&self) -> bool {
        self.state == RegistrationState::Disconnected
    }

    /// Returns whether nothing new is accepted because the agent terminates.
    pub fn is_terminating(&self) -> bool {
        self.state == RegistrationState::Terminating
    }

    /// Records that the master has accepted the agent. `ping_timeout_seconds` is the time that the agent waits for a
    /// ping; the value of the master is bounded.
    pub fn registered(&mut self, ping_timeout_seconds: Option<f64>) {
        let seconds = ping_timeout_seconds.filter(|s| s.is_finite() && *s >= 1.0).map(|s| s.min(1e6));
        self.ping_timeout = seconds.map_or(PING_TIMEOUT, Duration::from_secs_f64);
        self.state = RegistrationState::Registered;
    }

    /// Records that the agent has to register again, unless it is terminating.
    pub fn disconnected(&mut self) {
        if self.state != RegistrationState::Terminating {
            self.state = RegistrationState::Disconnected;
        }
    }

    /// Returns the time to wait for a ping before registering again.
    pub fn ping_timeout(&self) -> Duration {
        self.ping_timeout
    }

    /// Returns the wait before the first registration. It is random, since after a failover thousands of agents detect
    /// the new master at once.
    pub fn first_wait(&mut self, factor: Duration, random: &mut Random) -> Duration {
        self.backoff = factor.saturating_mul(2);
        self.unanswered = 0;
        factor.mul_f64(random.unit())
    }

    /// Records that a registration was sent.
    pub fn registration_sent(&mut self) {
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// Returns the number of unanswered registrations, each time that it is to be reported: at 4, 8, 16….
    pub fn silence(&self) -> Option<u32> {
        Some(self.unanswered).filter(|count| *count >= FEW_REGISTRATIONS && count.is_power_of_two())
    }

    /// Returns the wait before the next registration.
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

    /// Returns, once, the reason why the agent terminates; `None` if it does not.
    pub fn take_termination(&mut self) -> Option<String> {
        if self.state != RegistrationState::Terminating || self.terminated {
            return None;
        }
        self.terminated = true;
        Some(self.termination_reason.clone())
    }
}

/// Returns the process of a master: `pid` if the detector has one, otherwise the master's process at its address. `ip`
/// is the address in network byte order, read on a little-endian machine.
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
