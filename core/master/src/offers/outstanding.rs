//! Outstanding offers: they are made, rescinded and discarded here.

use std::sync::Arc;
use std::time::Duration;

use model::master::{Change, Offer};
use model::{AgentId, FrameworkId, OfferId, Role};
use resources::Resources;

use super::index::Offers;
use crate::allocation::recover_resources;
use crate::frameworks::Frameworks;
use crate::interface::{Config, Context, Timer};
use crate::policy::{end_inverse_offer, end_inverse_offers_of_framework, rescind_inverse_offers_of_agent};
use crate::state::State;
use model::master::Metrics;

/// Resources of one agent that the allocator has decided to offer to one role of a framework.
pub(crate) struct Allocation {
    pub agent: AgentId,
    pub role: Role,
    pub resources: Resources,
}

/// Makes offers of a framework's allocations and sends them, in events of bounded size.
pub(crate) fn offer(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId, allocations: Vec<Allocation>) {
    let mut offers = Vec::with_capacity(allocations.len().min(state.config.max_offers_per_event));
    state.offers.reserve(allocations.len());
    cx.reserve(allocations.len());
    for allocation in allocations {
        match make_offer(state, cx, id, &allocation) {
            Some(offer) => offers.push(offer),
            // The framework or the agent was removed before the offer was made.
            None => recover_resources(&mut state.allocator, cx, id, &allocation.agent, &allocation.resources, None),
        }
        if offers.len() >= state.config.max_offers_per_event {
            send_offers(&state.frameworks, cx, id, std::mem::take(&mut offers));
        }
    }
    if !offers.is_empty() {
        send_offers(&state.frameworks, cx, id, offers);
    }
}

fn send_offers(frameworks: &Frameworks, cx: &mut Context<'_>, id: &FrameworkId, offers: Vec<Arc<Offer>>) {
    let Some(framework) = frameworks.get(id.as_str()) else { return };
    framework.listener().clone().offers(cx, offers, framework.offer_format());
}

fn make_offer(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &FrameworkId,
    allocation: &Allocation,
) -> Option<Arc<Offer>> {
    let framework = state.frameworks.get(id.as_str()).filter(|f| f.state().is_active())?;
    let agent = state.agents.get(allocation.agent.as_str()).filter(|a| a.snapshot().active)?;
    let offer = Arc::new(Offer {
        id: state.ids.offer(),
        framework: framework.id().clone(),
        agent: agent.snapshot().clone(),
        role: allocation.role.clone(),
        resources: allocation.resources.clone(),
        executors: state.tasks.executor_ids(agent.id().as_str(), framework.id().as_str()),
        unavailability: state.allocator.unavailability(agent.id()).copied(),
    });
    state.offers.insert(offer.clone());
    state.metrics.outstanding_offers.increment();
    if let Some(timeout) = state.config.offer_timeout {
        cx.arm(Timer::OfferTimeout(offer.id.clone()), cx.now.monotonic + timeout);
    }
    cx.publish(Change::OfferAdded(offer.clone()));
    Some(offer)
}

/// Removes an offer; the caller accounts for its resources.
pub(crate) fn take_offer(
    offers: &mut Offers,
    metrics: &Metrics,
    config: &Config,
    cx: &mut Context<'_>,
    id: &str,
) -> Option<Arc<Offer>> {
    let offer = offers.remove(id)?;
    metrics.outstanding_offers.decrement();
    if config.offer_timeout.is_some() {
        cx.disarm(Timer::OfferTimeout(offer.id.clone()));
    }
    cx.publish(Change::OfferRemoved(offer.id.clone()));
    Some(offer)
}

/// Ends an offer without an event to its framework, which knows it.
pub(crate) fn discard_offer(state: &mut State, cx: &mut Context<'_>, id: &str, refuse: Option<Duration>) -> bool {
    let Some(offer) = take_offer(&mut state.offers, &state.metrics, &state.config, cx, id) else { return false };
    recover_resources(&mut state.allocator, cx, &offer.framework, &offer.agent.id, &offer.resources, refuse);
    true
}

pub(crate) fn rescind_offer(state: &mut State, cx: &mut Context<'_>, id: &str) {
    rescind_offer_and_refuse(state, cx, id, None);
}

/// Rescinds an offer. `refuse` is the time for which its framework is not offered the same again.
pub(crate) fn rescind_offer_and_refuse(state: &mut State, cx: &mut Context<'_>, id: &str, refuse: Option<Duration>) {
    let Some(offer) = take_offer(&mut state.offers, &state.metrics, &state.config, cx, id) else { return };
    if let Some(framework) = state.frameworks.get(offer.framework.as_str()) {
        framework.listener().clone().rescind(cx, offer.id.to_proto());
    }
    recover_resources(&mut state.allocator, cx, &offer.framework, &offer.agent.id, &offer.resources, refuse);
}

pub(crate) fn discard_offers(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId) {
    for offer in state.offers.of_framework(framework.as_str()) {
        discard_offer(state, cx, offer.as_str(), None);
    }
    end_inverse_offers_of_framework(state, cx, framework, false);
}

pub(crate) fn rescind_offers_of_framework(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId) {
    for offer in state.offers.of_framework(framework.as_str()) {
        rescind_offer(state, cx, offer.as_str());
    }
    end_inverse_offers_of_framework(state, cx, framework, true);
}

pub(crate) fn rescind_offers_of_unsubscribed_roles(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let Some(framework) = state.frameworks.get(id.as_str()) else { return };
    let left = |offer: &OfferId| {
        state.offers.get(offer.as_str()).is_some_and(|offer| !framework.has_role(offer.role.as_str()))
    };
    for offer in state.offers.of_framework(id.as_str()).into_iter().filter(left).collect::<Vec<_>>() {
        rescind_offer(state, cx, offer.as_str());
    }
}

pub(crate) fn rescind_offers_of_agent(state: &mut State, cx: &mut Context<'_>, agent: &AgentId) {
    for offer in state.offers.of_agent(agent.as_str()) {
        rescind_offer(state, cx, offer.as_str());
    }
    rescind_inverse_offers_of_agent(state, cx, agent);
}

/// An offer or an inverse offer has timed out; they share their ids.
pub(crate) fn offer_timed_out(state: &mut State, cx: &mut Context<'_>, offer: &OfferId) {
    rescind_offer(state, cx, offer.as_str());
    end_inverse_offer(state, cx, offer.as_str(), true);
}
