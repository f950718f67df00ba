//! A framework as the master knows it.

use std::sync::Arc;
use std::time::Duration;

use allocator::OfferConstraintsFilter;
use messages::v1;
use model::master::{FrameworkSnapshot, OfferFormat};
use model::{FrameworkId, Monotonic, Role, StreamId, Upid};

use super::capabilities::FrameworkCapabilities;

/// Where the framework's scheduler is. A driver's address is kept while its link is
/// down, because it may come back without claiming a failover; a stream is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    None,
    Http(StreamId),
    Driver(Upid),
}

#[derive(Debug)]
pub(crate) struct Framework {
    /// What readers see of it; the core keeps no second copy.
    pub state: Arc<FrameworkSnapshot>,
    pub connection: Connection,
    pub capabilities: FrameworkCapabilities,
    /// Those in `state`, ready to be asked.
    pub constraints: Option<Arc<OfferConstraintsFilter>>,
    /// When it will be removed, while it is disconnected.
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

    /// In which format it understands offers.
    pub fn offer_format(&self) -> OfferFormat {
        OfferFormat {
            multi_role: self.capabilities.multi_role,
            reservation_refinement: self.capabilities.reservation_refinement,
        }
    }

    pub fn has_role(&self, role: &str) -> bool {
        self.state.roles.iter().any(|r| r.as_str() == role)
    }

    /// Where events for the framework are sent: nowhere while it is disconnected.
    pub fn listener(&self) -> &Connection {
        if self.state.connected { &self.connection } else { &Connection::None }
    }

    pub fn driver(&self) -> Option<&Upid> {
        match &self.connection {
            Connection::Driver(pid) => Some(pid),
            _ => None,
        }
    }

    /// The address of its scheduler as agents are sent it: the empty address for HTTP
    /// schedulers, so that agents send executor messages through the master.
    pub fn pid_text(&self) -> String {
        self.driver().cloned().unwrap_or_else(Upid::none).to_string()
    }

    pub fn failover_timeout(&self) -> Duration {
        // Validation has bounded it to what Mesos' Duration holds (about 292 years).
        Duration::try_from_secs_f64(self.info().failover_timeout.unwrap_or_default()).unwrap_or(Duration::ZERO)
    }
}

/// The roles a framework subscribes to: `roles` when MULTI_ROLE (possibly none), else `role`.
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
