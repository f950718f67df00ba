//! A framework as the master knows it.

use std::sync::Arc;
use std::time::Duration;

use allocator::OfferConstraintsFilter;
use messages::v1;
use model::master::{FrameworkSnapshot, OfferFormat};
use model::{FrameworkId, Monotonic, Role, StreamId, Timestamp, Upid};

use super::capabilities::FrameworkCapabilities;
use super::constraints::Constraints;

/// The connection to the framework's scheduler. A driver's address is kept while its link is down, because it may
/// return without claiming a failover; a stream is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    None,
    Http(StreamId),
    Driver(Upid),
}

/// Whether the scheduler of a framework is there, and whether it takes offers (`Framework::State` in Mesos). The flags
/// of `FrameworkSnapshot` say the same to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameworkState {
    /// The framework is known only from agents so far. It is removed at the deadline.
    Recovered { deadline: Monotonic },
    /// The scheduler is gone, and the framework is removed at the deadline. The deadline is `None` until the failover
    /// timeout has started, which is within the same step.
    Disconnected { deadline: Option<Monotonic> },
    /// The scheduler is connected and takes no offers.
    Inactive,
    /// The scheduler is connected and takes offers.
    Active,
}

/// A framework that has not been removed. Its methods keep dependent fields consistent.
#[derive(Debug)]
pub(crate) struct Framework {
    /// The snapshot that readers see; the core keeps no second copy.
    snapshot: Arc<FrameworkSnapshot>,
    state: FrameworkState,
    connection: Connection,
    /// The same data as in `snapshot`, in the form that decisions query.
    capabilities: FrameworkCapabilities,
    /// The same data as in `snapshot`, in the form that decisions query.
    constraints: Option<Arc<OfferConstraintsFilter>>,
    heartbeat_slot: Option<u32>,
}

impl FrameworkState {
    pub fn is_connected(self) -> bool {
        match self {
            FrameworkState::Recovered { .. } | FrameworkState::Disconnected { .. } => false,
            FrameworkState::Inactive | FrameworkState::Active => true,
        }
    }

    pub fn is_active(self) -> bool {
        self == FrameworkState::Active
    }

    /// Returns the time at which the framework is removed; `None` if its removal is not scheduled.
    pub fn deadline(self) -> Option<Monotonic> {
        match self {
            FrameworkState::Recovered { deadline } => Some(deadline),
            FrameworkState::Disconnected { deadline } => deadline,
            FrameworkState::Inactive | FrameworkState::Active => None,
        }
    }
}

/// Construction and queries.
impl Framework {
    /// Creates a framework that has subscribed for the first time.
    pub(super) fn subscribed(
        snapshot: FrameworkSnapshot,
        connection: Connection,
        constraints: Option<Constraints>,
    ) -> Self {
        let mut framework = Self::new(snapshot, FrameworkState::Active);
        framework.connection = connection;
        framework.set_constraints(constraints);
        framework
    }

    /// Creates a framework that is known only from agents. It is removed after its failover timeout, but not before
    /// `minimum`.
    pub(super) fn recovered(snapshot: FrameworkSnapshot, now: Monotonic, minimum: Duration) -> Self {
        let deadline = now + failover_timeout_of(&snapshot.info).max(minimum);
        Self::new(snapshot, FrameworkState::Recovered { deadline })
    }

    fn new(snapshot: FrameworkSnapshot, state: FrameworkState) -> Self {
        let capabilities = FrameworkCapabilities::of(&snapshot.info);
        let mut framework = Framework {
            snapshot: Arc::new(snapshot),
            state,
            connection: Connection::None,
            capabilities,
            constraints: None,
            heartbeat_slot: None,
        };
        framework.enter(state);
        framework
    }

    pub fn id(&self) -> &FrameworkId {
        &self.snapshot.id
    }

    pub fn info(&self) -> &v1::FrameworkInfo {
        &self.snapshot.info
    }

    pub fn snapshot(&self) -> &Arc<FrameworkSnapshot> {
        &self.snapshot
    }

    pub fn state(&self) -> FrameworkState {
        self.state
    }

    pub fn capabilities(&self) -> FrameworkCapabilities {
        self.capabilities
    }

    /// Returns the offer constraints in the form that the allocator evaluates; `None` if there are none.
    pub fn constraints(&self) -> Option<&Arc<OfferConstraintsFilter>> {
        self.constraints.as_ref()
    }

    /// Returns the format in which it understands offers.
    pub fn offer_format(&self) -> OfferFormat {
        OfferFormat {
            multi_role: self.capabilities.multi_role,
            reservation_refinement: self.capabilities.reservation_refinement,
        }
    }

    pub fn has_role(&self, role: &str) -> bool {
        self.snapshot.roles.iter().any(|r| r.as_str() == role)
    }

    pub fn failover_timeout(&self) -> Duration {
        failover_timeout_of(self.info())
    }

    fn snapshot_mut(&mut self) -> &mut FrameworkSnapshot {
        Arc::make_mut(&mut self.snapshot)
    }
}

/// The connection to the scheduler.
impl Framework {
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the connection that events are sent to; a disconnected framework is sent none.
    pub fn listener(&self) -> &Connection {
        if self.state.is_connected() { &self.connection } else { &Connection::None }
    }

    pub fn driver(&self) -> Option<&Upid> {
        match &self.connection {
            Connection::Driver(pid) => Some(pid),
            Connection::None | Connection::Http(_) => None,
        }
    }

    /// Returns the address of its scheduler as agents are sent it: the empty address for HTTP schedulers, so that
    /// agents send executor messages through the master.
    pub fn pid_text(&self) -> String {
        self.driver().cloned().unwrap_or_else(Upid::none).to_string()
    }

    /// Replaces the connection and returns the previous one. Only the index calls this, so that both agree.
    pub(super) fn replace_connection(&mut self, connection: Connection) -> Connection {
        std::mem::replace(&mut self.connection, connection)
    }

    pub(super) fn set_heartbeat_slot(&mut self, slot: u32) {
        self.heartbeat_slot = Some(slot);
    }

    /// Removes and returns the slot of the timing wheel for the framework's heartbeats.
    pub(super) fn take_heartbeat_slot(&mut self) -> Option<u32> {
        self.heartbeat_slot.take()
    }
}

/// The state of the framework.
impl Framework {
    /// Records that the scheduler has subscribed again on the present connection. Returns the previous state.
    pub(super) fn resubscribe(&mut self, now: Timestamp) -> FrameworkState {
        let before = self.state;
        let pid = self.driver().cloned();
        let snapshot = self.snapshot_mut();
        if matches!(before, FrameworkState::Recovered { .. }) {
            snapshot.registered = now;
        }
        snapshot.reregistered = Some(now);
        snapshot.pid = pid;
        self.enter(FrameworkState::Active);
        before
    }

    /// Stops offers until the framework subscribes again. Returns whether the framework was active.
    pub(super) fn deactivate(&mut self) -> bool {
        let was_active = self.state.is_active();
        if was_active {
            self.enter(FrameworkState::Inactive);
        }
        was_active
    }

    /// Records that the scheduler is gone. Returns whether it was connected.
    pub(super) fn disconnect(&mut self) -> bool {
        let was_connected = self.state.is_connected();
        if was_connected {
            self.enter(FrameworkState::Disconnected { deadline: None });
        }
        was_connected
    }

    /// Sets the deadline at which the framework is removed unless it subscribes again.
    pub(super) fn start_failover_timeout(&mut self, deadline: Monotonic) {
        self.enter(FrameworkState::Disconnected { deadline: Some(deadline) });
    }

    /// Returns the snapshot that readers see of the completed framework.
    pub(super) fn into_completed(mut self, now: Timestamp) -> Arc<FrameworkSnapshot> {
        self.enter(FrameworkState::Disconnected { deadline: None });
        self.snapshot_mut().unregistered = Some(now);
        self.snapshot
    }

    fn enter(&mut self, state: FrameworkState) {
        self.state = state;
        let snapshot = self.snapshot_mut();
        snapshot.connected = state.is_connected();
        snapshot.active = state.is_active();
        snapshot.recovered = matches!(state, FrameworkState::Recovered { .. });
    }
}

/// The description and the roles of the framework.
impl Framework {
    /// Replaces the description, the suppressed roles and the offer constraints of the framework.
    pub(super) fn update(&mut self, info: v1::FrameworkInfo, suppressed: Vec<Role>, constraints: Option<Constraints>) {
        self.capabilities = FrameworkCapabilities::of(&info);
        let snapshot = self.snapshot_mut();
        snapshot.roles = roles_of(&info);
        snapshot.info = Arc::new(info);
        snapshot.suppressed = suppressed;
        self.set_constraints(constraints);
    }

    fn set_constraints(&mut self, constraints: Option<Constraints>) {
        let (message, compiled) = constraints.map(|constraints| (constraints.message, constraints.compiled)).unzip();
        self.snapshot_mut().offer_constraints = message;
        self.constraints = compiled;
    }

    /// Suppresses or revives some of its roles; no roles mean all of them. Returns whether that changes anything.
    pub fn set_suppressed(&mut self, roles: &[Role], suppressed: bool) -> bool {
        let changes = |role: &Role| roles.is_empty() || roles.contains(role);
        let was = |role: &Role| self.snapshot.suppressed.contains(role);
        let is = |role: &&Role| if changes(role) { suppressed } else { was(role) };
        let now: Vec<Role> = self.snapshot.roles.iter().filter(is).cloned().collect();
        let changed = self.snapshot.suppressed != now;
        if changed {
            self.snapshot_mut().suppressed = now;
        }
        changed
    }
}

fn failover_timeout_of(info: &v1::FrameworkInfo) -> Duration {
    // Validation has bounded it to what Mesos' Duration holds (about 292 years).
    Duration::try_from_secs_f64(info.failover_timeout.unwrap_or_default()).unwrap_or(Duration::ZERO)
}

/// Returns the roles a framework subscribes to: `roles` if it is MULTI_ROLE (possibly none), otherwise `role`.
#[allow(deprecated, reason = "frameworks without MULTI_ROLE say it in `role`")]
pub(crate) fn roles_of(info: &v1::FrameworkInfo) -> Vec<Role> {
    if !FrameworkCapabilities::of(info).multi_role {
        return vec![Role::new(info.role.as_deref().unwrap_or("*"))];
    }
    let mut roles: Vec<Role> = Vec::with_capacity(info.roles.len());
    for role in &info.roles {
        if !roles.iter().any(|r| r.as_str() == role) {
            roles.push(Role::new(role));
        }
    }
    roles
}
