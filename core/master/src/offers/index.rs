//! The set of all outstanding offers, found by id, framework and agent.

use std::sync::Arc;

use model::master::Offer;
use model::{AgentId, FrameworkId, OfferId};
use rustc_hash::{FxHashMap, FxHashSet};

/// All outstanding offers.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    map: FxHashMap<OfferId, Arc<Offer>>,
    /// The offers of each framework. They are sorted only when all of them are listed. In a tree with as many offers as
    /// agents, each step of a search reads an id that is in no cache of the processor.
    frameworks: FxHashMap<FrameworkId, FxHashSet<OfferId>>,
    agents: FxHashMap<AgentId, Vec<OfferId>>,
}

impl Offers {
    pub fn get(&self, id: &str) -> Option<&Arc<Offer>> {
        self.map.get(id)
    }

    /// Returns the offers of a framework, ordered by id.
    pub fn of_framework(&self, framework: &str) -> Vec<OfferId> {
        let mut offers: Vec<OfferId> = self.frameworks.get(framework).into_iter().flatten().cloned().collect();
        offers.sort_unstable();
        offers
    }

    /// Returns the offers of an agent's resources, the oldest first.
    pub fn of_agent(&self, agent: &str) -> Vec<OfferId> {
        self.agents.get(agent).cloned().unwrap_or_default()
    }

    /// Reserves memory for this many more offers.
    pub fn reserve(&mut self, offers: usize) {
        self.map.reserve(offers);
    }

    pub fn insert(&mut self, offer: Arc<Offer>) {
        self.frameworks.entry(offer.framework.clone()).or_default().insert(offer.id.clone());
        self.agents.entry(offer.agent.id.clone()).or_default().push(offer.id.clone());
        self.map.insert(offer.id.clone(), offer);
    }

    pub fn remove(&mut self, id: &str) -> Option<Arc<Offer>> {
        let offer = self.map.remove(id)?;
        if let Some(of_framework) = self.frameworks.get_mut(&offer.framework) {
            of_framework.remove(id);
            if of_framework.is_empty() {
                self.frameworks.remove(&offer.framework);
            }
        }
        if let Some(of_agent) = self.agents.get_mut(&offer.agent.id) {
            of_agent.retain(|other| other.as_str() != id);
            if of_agent.is_empty() {
                self.agents.remove(&offer.agent.id);
            }
        }
        Some(offer)
    }
}
