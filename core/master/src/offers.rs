//! Outstanding offers: making, rescinding, discarding.

use std::sync::Arc;
use std::time::Duration;

use model::{AgentId, FrameworkId, OfferId, Role};
use resources::Resources;
use rustc_hash::FxHashMap;

use crate::effects::{Context, Timer};
use crate::master::Master;
use crate::outgoing_offers::{OfferFormat, OutgoingOffer};
use model::master::{Change, OfferSnapshot};

#[derive(Debug, Default)]
pub(crate) struct Offers {
    map: FxHashMap<OfferId, Arc<OfferSnapshot>>,
}

impl Offers {
    pub fn get(&self, id: &str) -> Option<&Arc<OfferSnapshot>> {
        self.map.get(id)
    }
}

/// What the allocator has decided to offer of one agent to one role of a framework.
pub(crate) struct Allocation {
    pub agent: AgentId,
    pub role: Role,
    pub resources: Resources,
}

impl Master {
    /// Makes offers of a framework's allocations and tells it, in events of bounded size.
    pub(crate) fn offer(&mut self, cx: &mut Context<'_>, id: &FrameworkId, allocations: Vec<Allocation>) {
        let mut offers = Vec::with_capacity(allocations.len().min(self.config.max_offers_per_event));
        self.offers.map.reserve(allocations.len());
        cx.reserve(allocations.len());
        for allocation in allocations {
            match self.make_offer(cx, id, &allocation) {
                Some(offer) => offers.push(offer),
                // The framework or the agent went away while the allocation was under way.
                None => self.recover_resources(cx, id, &allocation.agent, &allocation.resources, None),
            }
            if offers.len() >= self.config.max_offers_per_event {
                self.send_offers(cx, id, std::mem::take(&mut offers));
            }
        }
        if !offers.is_empty() {
            self.send_offers(cx, id, offers);
        }
    }

    fn send_offers(&self, cx: &mut Context<'_>, id: &FrameworkId, offers: Vec<OutgoingOffer>) {
        let Some(framework) = self.frameworks.get(id.as_str()) else { return };
        framework.listener().clone().offers(cx, offers);
    }

    fn make_offer(&mut self, cx: &mut Context<'_>, id: &FrameworkId, allocation: &Allocation) -> Option<OutgoingOffer> {
        let framework = self.frameworks.get_mut(id.as_str()).filter(|f| f.state.connected && f.state.active)?;
        let agent = self.agents.get_mut(allocation.agent.as_str()).filter(|a| a.state.active)?;
        let snapshot = Arc::new(OfferSnapshot {
            id: self.ids.offer(),
            framework: framework.id().clone(),
            agent: agent.id().clone(),
            role: allocation.role.clone(),
            resources: allocation.resources.clone(),
        });
        let described = OutgoingOffer::new(
            snapshot.clone(),
            agent.state.clone(),
            agent.executor_ids(framework.id()),
            self.allocator.unavailability(agent.id()).copied(),
            OfferFormat::of(framework),
        );
        framework.offers.insert(snapshot.id.clone());
        agent.offers.push(snapshot.id.clone());
        self.offers.map.insert(snapshot.id.clone(), snapshot.clone());
        self.metrics.outstanding_offers.increment();
        if let Some(timeout) = self.config.offer_timeout {
            cx.arm(Timer::OfferTimeout(snapshot.id.clone()), cx.now.monotonic + timeout);
        }
        cx.publish(Change::OfferAdded(snapshot));
        Some(described)
    }

    /// Takes an offer off the books; what it held is the caller's to account for.
    pub(crate) fn take_offer(&mut self, cx: &mut Context<'_>, id: &str) -> Option<Arc<OfferSnapshot>> {
        let offer = self.offers.map.remove(id)?;
        if let Some(framework) = self.frameworks.get_mut(offer.framework.as_str()) {
            framework.offers.remove(id);
        }
        if let Some(agent) = self.agents.get_mut(offer.agent.as_str()) {
            agent.offers.retain(|other| other.as_str() != id);
        }
        self.metrics.outstanding_offers.decrement();
        if self.config.offer_timeout.is_some() {
            cx.disarm(Timer::OfferTimeout(offer.id.clone()));
        }
        cx.publish(Change::OfferRemoved(offer.id.clone()));
        Some(offer)
    }

    /// The offer ends without a word to its framework, which knows.
    pub(crate) fn discard_offer(&mut self, cx: &mut Context<'_>, id: &str, refuse: Option<Duration>) -> bool {
        let Some(offer) = self.take_offer(cx, id) else { return false };
        self.recover_resources(cx, &offer.framework, &offer.agent, &offer.resources, refuse);
        true
    }

    pub(crate) fn rescind_offer(&mut self, cx: &mut Context<'_>, id: &str) {
        let Some(offer) = self.take_offer(cx, id) else { return };
        if let Some(framework) = self.frameworks.get(offer.framework.as_str()) {
            framework.listener().clone().rescind(cx, offer.id.to_proto());
        }
        self.recover_resources(cx, &offer.framework, &offer.agent, &offer.resources, None);
    }

    /// Its framework is not offered the same again for a while.
    pub(crate) fn rescind_offer_for(&mut self, cx: &mut Context<'_>, id: &str, refuse: Duration) {
        let Some(offer) = self.take_offer(cx, id) else { return };
        if let Some(framework) = self.frameworks.get(offer.framework.as_str()) {
            framework.listener().clone().rescind(cx, offer.id.to_proto());
        }
        self.recover_resources(cx, &offer.framework, &offer.agent, &offer.resources, Some(refuse));
    }

    pub(crate) fn discard_offers(&mut self, cx: &mut Context<'_>, framework: &FrameworkId) {
        for offer in self.offers_of_framework(framework) {
            self.discard_offer(cx, offer.as_str(), None);
        }
        self.end_inverse_offers_of_framework(cx, framework, false);
    }

    pub(crate) fn rescind_offers_of_framework(&mut self, cx: &mut Context<'_>, framework: &FrameworkId) {
        for offer in self.offers_of_framework(framework) {
            self.rescind_offer(cx, offer.as_str());
        }
        self.end_inverse_offers_of_framework(cx, framework, true);
    }

    pub(crate) fn rescind_offers_of_unsubscribed_roles(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get(id.as_str()) else { return };
        let left = |offer: &&OfferId| {
            self.offers.get(offer.as_str()).is_some_and(|offer| !framework.has_role(offer.role.as_str()))
        };
        let offers: Vec<OfferId> = framework.offers.iter().filter(left).cloned().collect();
        for offer in offers {
            self.rescind_offer(cx, offer.as_str());
        }
    }

    pub(crate) fn rescind_offers_of_agent(&mut self, cx: &mut Context<'_>, agent: &AgentId) {
        for offer in self.agents.get(agent.as_str()).map(|a| a.offers.clone()).unwrap_or_default() {
            self.rescind_offer(cx, offer.as_str());
        }
        self.rescind_inverse_offers_of_agent(cx, agent);
    }

    /// Offers and inverse offers share their ids.
    pub(crate) fn offer_timed_out(&mut self, cx: &mut Context<'_>, offer: &OfferId) {
        self.rescind_offer(cx, offer.as_str());
        self.end_inverse_offer(cx, offer.as_str(), true);
    }

    fn offers_of_framework(&self, id: &FrameworkId) -> Vec<OfferId> {
        self.frameworks.get(id.as_str()).map(|f| f.offers.iter().cloned().collect()).unwrap_or_default()
    }
}
