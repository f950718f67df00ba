//! Maintenance windows and inverse offers in the interface of the allocator.

use std::time::Duration;

use messages::v1;
use messages::v1::allocator::InverseOfferStatus;
use model::{AgentId, FrameworkId, Monotonic};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::slab::Ix;

/// An inverse offer to make. It has no resources, since the whole agent will be unavailable.
#[derive(Debug, Clone, PartialEq)]
pub struct InverseOffer {
    /// The framework that is asked to leave.
    pub framework: FrameworkId,
    /// The agent that it is asked to leave.
    pub agent: AgentId,
    /// The time in which the agent will be unavailable.
    pub unavailability: v1::Unavailability,
}

impl Allocator {
    /// Sets the window of unavailability of an agent; `None` cancels it. The caller rescinds the outstanding inverse
    /// offers for the agent before; answers about an earlier window are forgotten.
    pub fn update_unavailability(&mut self, agent: &AgentId, unavailability: Option<v1::Unavailability>) {
        let Some(ix) = self.agent_ids.get(agent).copied() else { return };
        self.windows.set(ix, unavailability);
        // Offers show the window, so frameworks may decide anew.
        self.dirty.agent(ix);
    }

    /// Returns the window of unavailability of an agent.
    pub fn unavailability(&self, agent: &AgentId) -> Option<&v1::Unavailability> {
        // This is called for every offer, and there are seldom any windows.
        if self.windows.is_empty() {
            return None;
        }
        self.windows.unavailability(*self.agent_ids.get(agent)?)
    }

    /// Ends an inverse offer: the framework answered (`status`), or the offer was rescinded or timed out (`None`).
    /// `refuse` delays the next one by at least the allocation interval.
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

    /// Returns the inverse offers to make, by agent; called after each [`allocate`](Self::allocate). Each is
    /// outstanding until [`update_inverse_offer`](Self::update_inverse_offer) ends it.
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
            // Inactive frameworks receive no offers.
            let Some(framework) = self.frameworks.get(*holder).filter(|framework| framework.active) else { continue };
            if let Some(unavailability) = self.windows.mark_outstanding(ix, *holder) {
                offers.push(InverseOffer { framework: framework.id.clone(), agent: agent.id.clone(), unavailability });
            }
        }
        offers
    }

    /// Iterates over the answers of frameworks about the current windows.
    pub fn inverse_offer_statuses(&self) -> impl Iterator<Item = (&AgentId, &InverseOfferStatus)> + '_ {
        self.windows.statuses().filter_map(|(agent, status)| Some((&self.agents.get(agent)?.id, status)))
    }
}
