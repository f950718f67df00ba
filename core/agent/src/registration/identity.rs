//! The identity of the agent: its description, its id, and the version of its resources.

use std::sync::Arc;

use messages::v1;
use model::{AgentId, Random};

/// The description that the agent sends to masters, with its version of the resources.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The description; it has an id once a master has assigned one.
    info: Arc<v1::AgentInfo>,
    /// The version of the agent's resources: a launch decided upon for an older one is refused.
    resource_version: Vec<u8>,
}

impl Identity {
    /// Creates the identity of an agent with this description.
    pub fn new(info: v1::AgentInfo, random: &mut Random) -> Self {
        Identity { info: Arc::new(info), resource_version: random.uuid().as_bytes().to_vec() }
    }

    /// Returns the agent's description.
    pub fn info(&self) -> &Arc<v1::AgentInfo> {
        &self.info
    }

    /// Returns the agent's id. Without one no task can be addressed to it.
    pub fn id(&self) -> Option<AgentId> {
        self.info.id.as_ref().map(AgentId::from)
    }

    /// Returns the agent's id for messages; it is empty before one is assigned.
    pub fn proto(&self) -> v1::AgentId {
        self.info.id.clone().unwrap_or_default()
    }

    /// Returns whether a message names this agent.
    pub fn is(&self, id: &v1::AgentId) -> bool {
        self.info.id.as_ref().is_some_and(|own| own.value == id.value)
    }

    /// Sets the id that a master has assigned.
    pub fn set_id(&mut self, id: v1::AgentId) {
        Arc::make_mut(&mut self.info).id = Some(id);
    }

    /// Recovers the description of an earlier process of this agent.
    pub fn recover(&mut self, info: Arc<v1::AgentInfo>) {
        self.info = info;
    }

    /// Returns the version of the agent's resources, for messages.
    pub fn resource_version(&self) -> v1::Uuid {
        v1::Uuid { value: self.resource_version.clone() }
    }

    /// Returns whether this is the version of the agent's resources.
    pub fn is_resource_version(&self, version: &[u8]) -> bool {
        self.resource_version == version
    }

    /// Renews the version, so that every launch and operation decided upon before is outdated. Messages that are still
    /// on a broken connection were decided upon in a state that the master has left since: it may have told frameworks
    /// that these tasks are gone, and may offer the same resources again. (Mesos runs them.) The master is sent the new
    /// version next.
    pub fn renew_resource_version(&mut self, random: &mut Random) {
        self.resource_version = random.uuid().as_bytes().to_vec();
    }
}
