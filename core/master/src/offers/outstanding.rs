//! Outstanding offers: making, rescinding, discarding.

use std::sync::Arc;
use std::time::Duration;

use model::master::{Change, OfferSnapshot};
use model::{AgentId, FrameworkId, OfferId, Role};
use resources::Resources;
use rustc_hash::FxHashMap;

use super::outgoing::{OfferFormat, OutgoingOffer};
use crate::allocation::recover_resources;
use crate::interface::{Context, Timer};
use crate::policy::{end_inverse_offer, end_inverse_offers_of_framework, rescind_inverse_offers_of_agent};
use crate::state::State;

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

/// Makes offers of a framework's allocations and tells it, in events of bounded size.
pub(crate) fn offer(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId, allocations: Vec<Allocation>) {
    let mut offers = Vec::with_capacity(allocations.len().min(state.config.max_offers_per_event));
    state.offers.map.reserve(allocations.len());
    cx.reserve(allocations.len());
    for allocation in allocations {
        match make_offer(state, cx, id, &allocation) {
            Some(offer) => offers.push(offer),
            // The framework or the agent went away while the allocation was under way.
            None => recover_resources(state, cx, id, &allocation.agent, &allocation.resources, None),
        }
        if offers.len() >= state.config.max_offers_per_event {
            send_offers(state, cx, id, std::mem::take(&mut offers));
        }
    }
    if !offers.is_empty() {
        send_offers(state, cx, id, offers);
    }
}

fn send_offers(state: &State, cx: &mut Context<'_>, id: &FrameworkId, offers: Vec<OutgoingOffer>) {
    let Some(framework) = state.frameworks.get(id.as_str()) else { return };
    framework.listener().clone().offers(cx, offers);
}

fn make_offer(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &FrameworkId,
    allocation: &Allocation,
) -> Option<OutgoingOffer> {
    let framework = state.frameworks.get_mut(id.as_str()).filter(|f| f.state.connected && f.state.active)?;
    let agent = state.agents.get_mut(allocation.agent.as_str()).filter(|a| a.state.active)?;
    let snapshot = Arc::new(OfferSnapshot {
        id: state.ids.offer(),
        framework: framework.id().clone(),
        agent: agent.id().clone(),
        role: allocation.role.clone(),
        resources: allocation.resources.clone(),
    });
    let described = OutgoingOffer::new(
        snapshot.clone(),
        agent.state.clone(),
        agent.executor_ids(framework.id()),
        state.allocator.unavailability(agent.id()).copied(),
        OfferFormat::of(framework),
    );
    framework.offers.insert(snapshot.id.clone());
    agent.offers.push(snapshot.id.clone());
    state.offers.map.insert(snapshot.id.clone(), snapshot.clone());
    state.metrics.outstanding_offers.increment();
    if let Some(timeout) = state.config.offer_timeout {
        cx.arm(Timer::OfferTimeout(snapshot.id.clone()), cx.now.monotonic + timeout);
    }
    cx.publish(Change::OfferAdded(snapshot));
    Some(described)
}

/// Takes an offer off the books; what it held is the caller's to account for.
pub(crate) fn take_offer(state: &mut State, cx: &mut Context<'_>, id: &str) -> Option<Arc<OfferSnapshot>> {
    let offer = state.offers.map.remove(id)?;
    if let Some(framework) = state.frameworks.get_mut(offer.framework.as_str()) {
        framework.offers.remove(id);
    }
    if let Some(agent) = state.agents.get_mut(offer.agent.as_str()) {
        agent.offers.retain(|other| other.as_str() != id);
    }
    state.metrics.outstanding_offers.decrement();
    if state.config.offer_timeout.is_some() {
        cx.disarm(Timer::OfferTimeout(offer.id.clone()));
    }
    cx.publish(Change::OfferRemoved(offer.id.clone()));
    Some(offer)
}

/// The offer ends without a word to its framework, which knows.
pub(crate) fn discard_offer(state: &mut State, cx: &mut Context<'_>, id: &str, refuse: Option<Duration>) -> bool {
    let Some(offer) = take_offer(state, cx, id) else { return false };
    recover_resources(state, cx, &offer.framework, &offer.agent, &offer.resources, refuse);
    true
}

pub(crate) fn rescind_offer(state: &mut State, cx: &mut Context<'_>, id: &str) {
    let Some(offer) = take_offer(state, cx, id) else { return };
    if let Some(framework) = state.frameworks.get(offer.framework.as_str()) {
        framework.listener().clone().rescind(cx, offer.id.to_proto());
    }
    recover_resources(state, cx, &offer.framework, &offer.agent, &offer.resources, None);
}

/// Its framework is not offered the same again for a while.
pub(crate) fn rescind_offer_for(state: &mut State, cx: &mut Context<'_>, id: &str, refuse: Duration) {
    let Some(offer) = take_offer(state, cx, id) else { return };
    if let Some(framework) = state.frameworks.get(offer.framework.as_str()) {
        framework.listener().clone().rescind(cx, offer.id.to_proto());
    }
    recover_resources(state, cx, &offer.framework, &offer.agent, &offer.resources, Some(refuse));
}

pub(crate) fn discard_offers(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId) {
    for offer in offers_of_framework(state, framework) {
        discard_offer(state, cx, offer.as_str(), None);
    }
    end_inverse_offers_of_framework(state, cx, framework, false);
}

pub(crate) fn rescind_offers_of_framework(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId) {
    for offer in offers_of_framework(state, framework) {
        rescind_offer(state, cx, offer.as_str());
    }
    end_inverse_offers_of_framework(state, cx, framework, true);
}

pub(crate) fn rescind_offers_of_unsubscribed_roles(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let Some(framework) = state.frameworks.get(id.as_str()) else { return };
    let left = |offer: &&OfferId| {
        state.offers.get(offer.as_str()).is_some_and(|offer| !framework.has_role(offer.role.as_str()))
    };
    let offers: Vec<OfferId> = framework.offers.iter().filter(left).cloned().collect();
    for offer in offers {
        rescind_offer(state, cx, offer.as_str());
    }
}

pub(crate) fn rescind_offers_of_agent(state: &mut State, cx: &mut Context<'_>, agent: &AgentId) {
    for offer in state.agents.get(agent.as_str()).map(|a| a.offers.clone()).unwrap_or_default() {
        rescind_offer(state, cx, offer.as_str());
    }
    rescind_inverse_offers_of_agent(state, cx, agent);
}

/// Offers and inverse offers share their ids.
pub(crate) fn offer_timed_out(state: &mut State, cx: &mut Context<'_>, offer: &OfferId) {
    rescind_offer(state, cx, offer.as_str());
    end_inverse_offer(state, cx, offer.as_str(), true);
}

fn offers_of_framework(state: &State, id: &FrameworkId) -> Vec<OfferId> {
    state.frameworks.get(id.as_str()).map(|f| f.offers.iter().cloned().collect()).unwrap_or_default()
}
