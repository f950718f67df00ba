//! The networks of containers that do not use the network of the agent.

use std::collections::BTreeMap;

use messages::v1;
use model::ContainerId;

/// The networks of containers. A nested container without an entry uses those of its parent.
#[derive(Debug, Default)]
pub(crate) struct ContainerNetworks(BTreeMap<ContainerId, Vec<v1::NetworkInfo>>);

impl ContainerNetworks {
    /// Records the networks of a container that runs. None means the network of the agent or of the parent.
    pub fn insert(&mut self, id: ContainerId, networks: Vec<v1::NetworkInfo>) {
        if !networks.is_empty() {
            self.0.insert(id, networks);
        }
    }

    /// Returns the networks of a container; none for the network of the agent.
    pub fn of(&self, id: &ContainerId) -> &[v1::NetworkInfo] {
        let mut next = Some(id.clone());
        while let Some(id) = next {
            if let Some(networks) = self.0.get(&id) {
                return networks;
            }
            next = id.parent();
        }
        &[]
    }

    /// Removes a container that has ended.
    pub fn remove(&mut self, id: &ContainerId) {
        self.0.remove(id);
    }
}
