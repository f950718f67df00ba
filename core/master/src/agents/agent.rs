//! An agent as the master knows it. It is kept small, since there may be ten thousand, most of them idle.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::{internal, v1};
use model::master::AgentSnapshot;
use model::{AgentId, Monotonic, Timestamp, Upid};
use resources::{Conversion, Resources};

use super::activity::ActivityChange;
use super::capabilities::AgentCapabilities;
use crate::metrics::Metrics;
use crate::operations::Provider;

/// A registered agent. Its methods keep together what has to change together.
#[derive(Debug)]
pub(crate) struct Agent {
    /// The snapshot that readers see; the core keeps no second copy.
    snapshot: Arc<AgentSnapshot>,
    /// Those in `snapshot`, ready to be asked.
    capabilities: AgentCapabilities,
    connection: AgentConnection,
    resource_version: Option<v1::Uuid>,
    /// The libprocess process of the master that pings it.
    observer: Arc<str>,
    ping_slot: u32,
    /// Pings that were sent since it last answered one.
    unanswered_pings: u32,
    /// The resource providers by id.
    providers: BTreeMap<String, Provider>,
    /// Whether the result of an operation was entered that did not come about: the next registration says what the
    /// agent has.
    total_in_doubt: bool,
    /// A registration of this connected agent changed its total. The version in its next report says whether that
    /// registration was the latest.
    total_unconfirmed: bool,
}

/// Whether the link to an agent is up; `AgentSnapshot::connected` says the same to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AgentConnection {
    Connected,
    /// It will be marked unreachable unless it registers again before the deadline.
    Disconnected {
        deadline: Monotonic,
    },
}

/// What a registered agent says of itself when it registers again, as far as the agent keeps it.
#[derive(Debug)]
pub(super) struct Reregistration {
    pub info: Arc<v1::AgentInfo>,
    pub version: String,
    /// In the form of `AgentSnapshot::capabilities`.
    pub capabilities: Vec<i32>,
    pub resource_version: Option<v1::Uuid>,
    pub total_in_doubt: bool,
    /// See [`Agent::confirm_total`].
    pub total_unconfirmed: bool,
    pub at: Timestamp,
}

/// What is known of it.
impl Agent {
    /// Creates an agent that has just registered; its snapshot says that it is connected.
    pub fn new(snapshot: AgentSnapshot, resource_version: Option<v1::Uuid>, observer: Arc<str>) -> Self {
        let capabilities = AgentCapabilities::of(&snapshot.capabilities);
        Agent {
            snapshot: Arc::new(snapshot),
            capabilities,
            connection: AgentConnection::Connected,
            resource_version,
            observer,
            ping_slot: 0,
            unanswered_pings: 0,
            providers: BTreeMap::new(),
            total_in_doubt: false,
            total_unconfirmed: false,
        }
    }

    pub fn id(&self) -> &AgentId {
        &self.snapshot.id
    }

    pub fn snapshot(&self) -> &Arc<AgentSnapshot> {
        &self.snapshot
    }

    pub fn capabilities(&self) -> AgentCapabilities {
        self.capabilities
    }

    /// When it will be marked unreachable; `None` while it is connected.
    pub fn deadline(&self) -> Option<Monotonic> {
        match self.connection {
            AgentConnection::Connected => None,
            AgentConnection::Disconnected { deadline } => Some(deadline),
        }
    }

    pub fn resource_version(&self) -> Option<&v1::Uuid> {
        self.resource_version.as_ref()
    }

    pub fn resource_versions(&self) -> Vec<internal::ResourceVersionUuid> {
        let own = self.resource_version.iter().map(|uuid| (None, uuid));
        let provided = self.providers.iter().map(|(id, provider)| (Some(id), &provider.version));
        own.chain(provided)
            .map(|(provider, uuid)| internal::ResourceVersionUuid {
                resource_provider_id: provider.map(|id| v1::ResourceProviderId { value: id.clone() }),
                uuid: uuid.clone(),
            })
            .collect()
    }

    /// By the id of each resource provider.
    pub fn providers(&self) -> &BTreeMap<String, Provider> {
        &self.providers
    }

    /// Returns whether its total may be wrong until it registers again.
    pub fn is_total_in_doubt(&self) -> bool {
        self.total_in_doubt
    }

    fn snapshot_mut(&mut self) -> &mut AgentSnapshot {
        Arc::make_mut(&mut self.snapshot)
    }
}

/// Its connection, and whether offers are made of it.
impl Agent {
    /// The link broke. It is inactive, and will be marked unreachable at `deadline`.
    pub fn disconnect(&mut self, deadline: Monotonic) -> Option<ActivityChange> {
        self.connection = AgentConnection::Disconnected { deadline };
        self.snapshot_mut().connected = false;
        self.set_active(false)
    }

    /// The link is up again. `is_held` says whether a recovery policy keeps it from offers.
    pub fn reconnect(&mut self, is_held: bool) -> Option<ActivityChange> {
        self.connection = AgentConnection::Connected;
        self.unanswered_pings = self.unanswered_pings.min(1);
        let snapshot = self.snapshot_mut();
        snapshot.connected = true;
        let active = !snapshot.deactivated && !is_held;
        self.set_active(active)
    }

    /// Enters what the registry says of draining and deactivation. `is_held` is as in [`Agent::reconnect`].
    pub fn set_drain_state(
        &mut self,
        drain: Option<v1::DrainInfo>,
        deactivated: bool,
        is_held: bool,
        now: Timestamp,
    ) -> Option<ActivityChange> {
        let snapshot = self.snapshot_mut();
        snapshot.deactivated = deactivated;
        snapshot.drain = drain;
        snapshot.drain_started = drain.and(snapshot.drain_started.or(Some(now)));
        let active = snapshot.connected && !deactivated && !is_held;
        self.set_active(active)
    }

    fn set_active(&mut self, active: bool) -> Option<ActivityChange> {
        let was_active = std::mem::replace(&mut self.snapshot_mut().active, active);
        ActivityChange::between(was_active, active)
    }
}

/// Its registration and its process.
impl Agent {
    /// Enters what it says of itself; its total is entered by [`Agent::set_total`].
    pub(super) fn reregister(&mut self, reregistration: Reregistration) {
        let Reregistration { info, version, capabilities, resource_version, total_in_doubt, total_unconfirmed, at } =
            reregistration;
        self.capabilities = AgentCapabilities::of(&capabilities);
        self.resource_version = resource_version;
        self.total_in_doubt = total_in_doubt;
        self.total_unconfirmed = total_unconfirmed;
        let snapshot = self.snapshot_mut();
        snapshot.info = info;
        snapshot.version = version;
        snapshot.capabilities = capabilities;
        snapshot.reregistered = Some(at);
    }

    /// Gives it another process; returns the one before. The index calls this to stay in agreement with it.
    pub(super) fn replace_pid(&mut self, pid: Upid) -> Upid {
        std::mem::replace(&mut self.snapshot_mut().pid, pid)
    }
}

/// Pings.
impl Agent {
    /// Returns the process that pings it.
    pub fn observer(&self) -> &Arc<str> {
        &self.observer
    }

    /// Returns the slot of the timing wheel in which it is pinged.
    pub(super) fn ping_slot(&self) -> u32 {
        self.ping_slot
    }

    pub(super) fn set_ping_slot(&mut self, slot: u32) {
        self.ping_slot = slot;
    }

    /// Pings that were sent since it last answered one.
    pub(super) fn unanswered_pings(&self) -> u32 {
        self.unanswered_pings
    }

    pub(super) fn record_ping(&mut self) {
        self.unanswered_pings = self.unanswered_pings.saturating_add(1);
    }

    pub(super) fn record_pong(&mut self) {
        self.unanswered_pings = 0;
    }
}

/// Its resources.
impl Agent {
    /// Replaces its total, and what it adds to the gauges.
    pub fn set_total(&mut self, metrics: &Metrics, total: Resources) {
        metrics.total.subtract(&self.snapshot.total);
        metrics.total.add(&total);
        self.snapshot_mut().total = total;
    }

    /// Its total may be wrong until it registers again.
    pub fn mark_total_in_doubt(&mut self) {
        self.total_in_doubt = true;
    }

    /// The version that the agent reports, in answer to a registration that changed its total while it was connected. If
    /// it is not that of the registration, then this was sent before another one that the master had already: the total
    /// is in doubt. Returns whether that is so.
    pub fn confirm_total(&mut self, reported: &v1::Uuid) -> bool {
        let is_stale = self.total_unconfirmed && self.resource_version.as_ref() != Some(reported);
        self.total_unconfirmed = false;
        self.total_in_doubt |= is_stale;
        is_stale
    }

    pub fn set_resource_version(&mut self, version: v1::Uuid) {
        self.resource_version = Some(version);
    }

    /// Replaces its resource providers; its total is the caller's to change.
    pub fn set_providers(&mut self, providers: BTreeMap<String, Provider>) {
        self.providers = providers;
    }

    /// Applies a conversion to the total of one of its resource providers.
    pub fn convert_provider(&mut self, provider: &str, step: &Conversion) {
        if let Some(provider) = self.providers.get_mut(provider) {
            provider.convert(step);
        }
    }
}
