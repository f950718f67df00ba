//! An agent as the master knows it. It is kept small, since there may be ten thousand, most of them idle.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::{internal, v1};
use model::master::AgentSnapshot;
use model::{AgentId, Monotonic};

use super::capabilities::AgentCapabilities;
use crate::operations::Provider;

#[derive(Debug)]
pub(crate) struct Agent {
    /// The snapshot that readers see; the core keeps no second copy.
    pub state: Arc<AgentSnapshot>,
    pub capabilities: AgentCapabilities,
    pub resource_version: Option<v1::Uuid>,
    /// The libprocess process of the master that pings it.
    pub observer: Arc<str>,
    pub ping_slot: u32,
    pub missed_pings: u32,
    pub awaiting_pong: bool,
    /// The resource providers by id.
    pub providers: BTreeMap<String, Provider>,
    /// Whether the result of an operation was entered that did not come about: the next registration says what the
    /// agent has.
    pub total_in_doubt: bool,
    /// The time at which it will be marked unreachable; `None` while it is connected.
    pub deadline: Option<Monotonic>,
}

impl Agent {
    pub fn new(state: AgentSnapshot, resource_version: Option<v1::Uuid>, observer: Arc<str>) -> Self {
        let capabilities = AgentCapabilities::of(&state.capabilities);
        Agent {
            state: Arc::new(state),
            capabilities,
            resource_version,
            observer,
            ping_slot: 0,
            missed_pings: 0,
            awaiting_pong: false,
            providers: BTreeMap::new(),
            total_in_doubt: false,
            deadline: None,
        }
    }

    pub fn id(&self) -> &AgentId {
        &self.state.id
    }

    pub fn state_mut(&mut self) -> &mut AgentSnapshot {
        Arc::make_mut(&mut self.state)
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
}
