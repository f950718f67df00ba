//! Who the agent is: its description, its id, and the version of its resources.

use std::sync::Arc;

use messages::v1;
use model::{AgentId, Random};

/// The agent as it describes itself to masters.
#[derive(Debug)]
pub(crate) struct Identity {
    /// With an id once a master has given one.
    info: Arc<v1::AgentInfo>,
    /// Names this state of the agent's resources: a launch decided upon an older one is refused.
    resource_version: Vec<u8>,
}

impl Identity {
    /// Creates the identity of an agent with this description.
    pub fn new(info: v1::AgentInfo, random: &mut Random) -> Self {
        Identity { info: Arc::new(info), resource_version: random.uuid().as_bytes().to_vec() }
    }

    /// The agent's description.
    pub fn info(&self) -> &Arc<v1::AgentInfo> {
        &self.info
    }

    /// The agent's id. Without one no task can be addressed to it.
    pub fn id(&self) -> Option<AgentId> {
        self.info.id.as_ref().map(AgentId::from)
    }

    /// The agent's id for messages; empty as long as it has none.
    pub fn proto(&self) -> v1::AgentId {
        self.info.id.clone().unwrap_or_default()
    }

    /// Whether a message names this agent.
    pub fn is(&self, id: &v1::AgentId) -> bool {
        self.info.id.as_ref().is_some_and(|own| own.value == id.value)
    }

    /// Takes the id that a master has given.
    pub fn set_id(&mut self, id: v1::AgentId) {
        Arc::make_mut(&mut self.info).id = Some(id);
    }

    /// Takes up the description of an earlier process of this agent.
    pub fn recover(&mut self, info: Arc<v1::AgentInfo>) {
        self.info = info;
    }

    /// The version of the agent's resources, for messages.
    pub fn resource_version(&self) -> v1::Uuid {
        v1::Uuid { value: self.resource_version.clone() }
    }

    /// Whether this is the version of the agent's resources.
    pub fn is_resource_version(&self, version: &[u8]) -> bool {
        self.resource_version == version
    }

    /// Makes every launch and operation outdated that was decided upon before. What a connection that broke still
    /// holds was decided upon a state that the master has left since: it may have told frameworks that these tasks are
    /// gone, and may offer the same again. (Mesos runs them.) The master is told the new version next.
    pub fn renew_resource_version(&mut self, random: &mut Random) {
        self.resource_version = random.uuid().as_bytes().to_vec();
    }
}
