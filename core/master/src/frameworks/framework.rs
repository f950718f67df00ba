//! A framework as the master knows it.

use std::sync::Arc;
use std::time::Duration;

use allocator::OfferConstraintsFilter;
use messages::v1;
use model::master::{FrameworkSnapshot, OfferFormat};
use model::{FrameworkId, Monotonic, Role, StreamId, Upid};

use super::capabilities::FrameworkCapabilities;

/// The connection to the framework's scheduler. A driver's address is kept while its link is down, because it may
/// return without claiming a failover; a stream is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    None,
    Http(StreamId),
    Driver(Upid),
}

#[derive(Debug)]
pub(crate) struct Framework {
    /// The snapshot that readers see; the core keeps no second copy.
    pub state: Arc<FrameworkSnapshot>,
    pub connection: Connection,
    pub capabilities: FrameworkCapabilities,
    /// The offer constraints of `state`, compiled.
    pub constraints: Option<Arc<OfferConstraintsFilter>>,
    /// The time at which it will be removed; `None` while it is connected.
    pub deadline: Option<Monotonic>,
    pub heartbeat_slot: Option<u32>,
}

impl Framework {
    pub fn new(state: FrameworkSnapshot, connection: Connection) -> Self {
        let capabilities = FrameworkCapabilities::of(&state.info);
        Framework {
            state: Arc::new(state),
            connection,
            capabilities,
            constraints: None,
            deadline: None,
            heartbeat_slot: None,
        }
    }

    pub fn id(&self) -> &FrameworkId {
        &self.state.id
    }

    pub fn info(&self) -> &v1::FrameworkInfo {
        &self.state.info
    }

    pub fn state_mut(&mut self) -> &mut FrameworkSnapshot {
        Arc::make_mut(&mut self.state)
    }

    /// Returns the format in which it understands offers.
    pub fn offer_format(&self) -> OfferFormat {
        OfferFormat {
            multi_role: self.capabilities.multi_role,
            reservation_refinement: self.capabilities.reservation_refinement,
        }
    }

    pub fn has_role(&self, role: &str) -> bool {
        self.state.roles.iter().any(|r| r.as_str() == role)
    }

    /// Returns the connection that events are sent to; a disconnected framework is sent none.
    pub fn listener(&self) -> &Connection {
        if self.state.connected { &self.connection } else { &Connection::None }
    }

    pub fn driver(&self) -> Option<&Upid> {
        match &self.connection {
            Connection::Driver(pid) => Some(pid),
            _ => None,
        }
    }

    /// Returns the address of its scheduler as agents are sent it: the empty address for HTTP schedulers, so that
    /// agents send executor messages through the master.
    pub fn pid_text(&self) -> String {
        self.driver().cloned().unwrap_or_else(Upid::none).to_string()
    }

    pub fn failover_timeout(&self) -> Duration {
        // Validation has bounded it to what Mesos' `Duration` can express (about 292 years).
        Duration::try_from_secs_f64(self.info().failover_timeout.unwrap_or_default()).unwrap_or(Duration::ZERO)
    }
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
