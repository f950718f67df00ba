//! What the allocator is told about maintenance, and whom it wants to be asked.

use std::time::Duration;

use messages::v1;
use messages::v1::allocator::InverseOfferStatus;
use model::{AgentId, FrameworkId, Monotonic};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::slab::Ix;

/// One inverse offer to make. It carries no resources: the whole agent will be unavailable.
#[derive(Debug, Clone, PartialEq)]
pub struct InverseOffer {
    /// The framework that is asked to leave.
    pub framework: FrameworkId,
    /// The agent that it is asked to leave.
    pub agent: AgentId,
    /// When the agent will be unavailable.
    pub unavailability: v1::Unavailability,
}

impl Allocator {
    /// When the agent will be unavailable; `None` cancels it. Inverse offers that are outstanding for the agent must
    /// be rescinded before; what frameworks said about an earlier window is forgotten.
    pub fn update_unavailability(&mut self, agent: &AgentId, unavailability: Option<v1::Unavailability>) {
        let Some(ix) = self.agent_ids.get(agent).copied() else { return };
        self.windows.set(ix, unavailability);
        // Offers carry the window: those who refused the agent without it may want it now.
        self.dirty.agent(ix);
    }

    /// When the agent will be unavailable.
    pub fn unavailability(&self, agent: &AgentId) -> Option<&v1::Unavailability> {
        // Asked for every offer, and seldom of any.
        if self.windows.is_empty() {
            return None;
        }
        self.windows.unavailability(*self.agent_ids.get(agent)?)
    }

    /// An inverse offer is over: the framework answered (`status`), or it was rescinded or timed out (`None`).
    /// `refuse` keeps the next one away for at least the allocation interval.
    pub fn update_inverse_offer(
        &mut self,
        now: Monotonic,
        agent: &AgentId,
        framework: &FrameworkId,
        status: Option<InverseOfferStatus>,
        refuse: Option<Duration>,
    ) {
        let Some(agent) = self.agent_ids.get(agent).copied() else { return };
        let Some(framework) = self.framework_ids.get(framework).copied() else { return };
        self.windows.record_status(agent, framework, status);
        if let Some(refuse) = refuse {
            let refuse = refuse.max(self.options.allocation_interval);
            self.windows.filter(agent, framework, now + refuse);
        }
    }

    /// Whom to ask to leave which agent, by agent; to be called with each [`allocate`](Self::allocate), after it.
    /// Each is outstanding until [`update_inverse_offer`](Self::update_inverse_offer) ends it.
    pub fn inverse_offers(&mut self, now: Monotonic) -> Vec<InverseOffer> {
        if self.is_paused(now) {
            return Vec::new();
        }
        let dirty = self.windows.take_dirty(now);
        dirty.into_iter().flat_map(|agent| self.inverse_offers_of(agent)).collect()
    }

    fn inverse_offers_of(&mut self, ix: Ix<Agent>) -> Vec<InverseOffer> {
        let Some(agent) = self.agents.get(ix) else { return Vec::new() };
        let mut offers = Vec::new();
        for (holder, _) in agent.allocated() {
            // Nobody hears what is said to an inactive framework.
            let Some(framework) = self.frameworks.get(*holder).filter(|framework| framework.active) else { continue };
            if let Some(unavailability) = self.windows.mark_outstanding(ix, *holder) {
                offers.push(InverseOffer { framework: framework.id.clone(), agent: agent.id.clone(), unavailability });
            }
        }
        offers
    }

    /// What frameworks answered about the present windows.
    pub fn inverse_offer_statuses(&self) -> impl Iterator<Item = (&AgentId, &InverseOfferStatus)> + '_ {
        self.windows.statuses().filter_map(|(agent, status)| Some((&self.agents.get(agent)?.id, status)))
    }
}
