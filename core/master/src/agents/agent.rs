//! An agent as the master knows it. It is kept small, since there may be ten thousand, most of them idle.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::{internal, v1};
use model::master::AgentSnapshot;
use model::{AgentId, Monotonic, Timestamp, Upid};
use resources::{Conversion, Resources};

use super::activity::ActivityChange;
use super::capabilities::AgentCapabilities;
use crate::operations::Provider;
use model::master::Metrics;

/// A registered agent. Its methods keep dependent fields consistent.
#[derive(Debug)]
pub(crate) struct Agent {
    /// The snapshot that readers see; the core keeps no second copy.
    snapshot: Arc<AgentSnapshot>,
    /// The capabilities in `snapshot`, in the form that decisions query.
    capabilities: AgentCapabilities,
    connection: AgentConnection,
    resource_version: Option<v1::Uuid>,
    /// The libprocess process of the master that pings it.
    observer: Arc<str>,
    ping_slot: u32,
    /// The number of pings that were sent since the agent last answered one.
    unanswered_pings: u32,
    /// The resource providers by id.
    providers: BTreeMap<String, Provider>,
    /// Whether the total has the result of an operation that did not succeed. The next registration states the real
    /// total.
    total_in_doubt: bool,
    /// A registration of this connected agent changed its total. The version in its next report says whether that
    /// registration was the latest.
    total_unconfirmed: bool,
}

/// Whether the link to an agent is up; `AgentSnapshot::connected` says the same to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AgentConnection {
    Connected,
    /// The link is down. The agent will be marked unreachable unless it registers again before the deadline.
    Disconnected {
        deadline: Monotonic,
    },
}

/// The part of a re-registration of a registered agent that the agent's entry keeps.
#[derive(Debug)]
pub(super) struct Reregistration {
    pub info: Arc<v1::AgentInfo>,
    pub version: String,
    /// The capabilities, in the form of `AgentSnapshot::capabilities`.
    pub capabilities: Vec<i32>,
    pub resource_version: Option<v1::Uuid>,
    pub total_in_doubt: bool,
    /// See [`Agent::confirm_total`].
    pub total_unconfirmed: bool,
    pub at: Timestamp,
}

/// Construction and queries.
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

    /// Returns the time at which the agent will be marked unreachable; `None` while it is connected.
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

    /// Returns the resource providers by id.
    pub fn providers(&self) -> &BTreeMap<String, Provider> {
        &self.providers
    }

    /// Returns whether the agent's total may be wrong until the agent registers again.
    pub fn is_total_in_doubt(&self) -> bool {
        self.total_in_doubt
    }

    fn snapshot_mut(&mut self) -> &mut AgentSnapshot {
        Arc::make_mut(&mut self.snapshot)
    }
}

/// The connection of the agent, and whether offers are made of it.
impl Agent {
    /// Records that the link of the agent broke. The agent becomes inactive, and will be marked unreachable at
    /// `deadline`.
    pub fn disconnect(&mut self, deadline: Monotonic) -> Option<ActivityChange> {
        self.connection = AgentConnection::Disconnected { deadline };
        self.snapshot_mut().connected = false;
        self.set_active(false)
    }

    /// Records that the link of the agent is up again. `is_held` says whether a recovery policy keeps the agent from
    /// offers.
    pub fn reconnect(&mut self, is_held: bool) -> Option<ActivityChange> {
        self.connection = AgentConnection::Connected;
        self.unanswered_pings = self.unanswered_pings.min(1);
        let snapshot = self.snapshot_mut();
        snapshot.connected = true;
        let active = !snapshot.deactivated && !is_held;
        self.set_active(active)
    }

    /// Enters the draining and the deactivation of the agent as the registry has them. `is_held` is as in
    /// [`Agent::reconnect`].
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

/// The registration and the process of the agent.
impl Agent {
    /// Enters the re-registration of the agent. Its total is entered by [`Agent::set_total`].
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

    /// Replaces the process of the agent and returns the previous one. Only the index calls this, so that both agree.
    pub(super) fn replace_pid(&mut self, pid: Upid) -> Upid {
        std::mem::replace(&mut self.snapshot_mut().pid, pid)
    }
}

/// The pings of the agent.
impl Agent {
    /// Returns the libprocess process of the master that pings the agent.
    pub fn observer(&self) -> &Arc<str> {
        &self.observer
    }

    /// Returns the slot of the timing wheel in which the agent is pinged.
    pub(super) fn ping_slot(&self) -> u32 {
        self.ping_slot
    }

    pub(super) fn set_ping_slot(&mut self, slot: u32) {
        self.ping_slot = slot;
    }

    /// Returns the number of pings that were sent since the agent last answered one.
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

/// The resources of the agent.
impl Agent {
    /// Replaces the total of the agent, and its share of the gauges.
    pub fn set_total(&mut self, metrics: &Metrics, total: Resources) {
        metrics.total.subtract(&self.snapshot.total);
        metrics.total.add(&total);
        self.snapshot_mut().total = total;
    }

    /// Marks the total of the agent as possibly wrong until the agent registers again.
    pub fn mark_total_in_doubt(&mut self) {
        self.total_in_doubt = true;
    }

    /// Compares the resource version that the agent reports with that of the registration that changed its total while
    /// it was connected. If the two differ, the registration was older than another one that the master had accepted
    /// before, and the total is in doubt. Returns whether the total is in doubt.
    pub fn confirm_total(&mut self, reported: &v1::Uuid) -> bool {
        let is_stale = self.total_unconfirmed && self.resource_version.as_ref() != Some(reported);
        self.total_unconfirmed = false;
        self.total_in_doubt |= is_stale;
        is_stale
    }

    pub fn set_resource_version(&mut self, version: v1::Uuid) {
        self.resource_version = Some(version);
    }

    /// Replaces the resource providers of the agent. The caller has to change the total.
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
