//! Inverse offers: frameworks are asked to leave agents that will be unavailable. The allocator decides which
//! frameworks are asked; the master reports their answers to it, and the answers are not binding.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use allocator::InverseOffer;
use messages::v1;
use messages::v1::allocator::InverseOfferStatus;
use messages::v1::allocator::inverse_offer_status::Status;
use messages::v1::scheduler::call::{AcceptInverseOffers, DeclineInverseOffers};
use model::master::Change;
use model::{AgentId, FrameworkId, OfferId, Role};
use validation::offer::OfferSummary;

use crate::allocation::refuse_duration;
use crate::interface::{Config, Context, Timer};
use crate::state::State;
use crate::support::{remove_from_index, time_info};

/// The outstanding inverse offers.
#[derive(Debug, Default)]
pub(crate) struct InverseOffers {
    map: BTreeMap<OfferId, (FrameworkId, AgentId)>,
    of_frameworks: BTreeMap<FrameworkId, BTreeSet<OfferId>>,
    of_agents: BTreeMap<AgentId, BTreeSet<OfferId>>,
}

impl InverseOffers {
    fn insert(&mut self, id: OfferId, framework: FrameworkId, agent: AgentId) {
        self.of_frameworks.entry(framework.clone()).or_default().insert(id.clone());
        self.of_agents.entry(agent.clone()).or_default().insert(id.clone());
        self.map.insert(id, (framework, agent));
    }

    fn remove(&mut self, id: &str) -> Option<(OfferId, FrameworkId, AgentId)> {
        let (id, (framework, agent)) = self.map.remove_entry(id)?;
        remove_from_index(&mut self.of_frameworks, &framework, &id);
        remove_from_index(&mut self.of_agents, &agent, &id);
        Some((id, framework, agent))
    }

    fn of_framework(&self, framework: &FrameworkId) -> Vec<OfferId> {
        self.of_frameworks.get(framework).into_iter().flatten().cloned().collect()
    }

    fn of_agent(&self, agent: &AgentId) -> Vec<OfferId> {
        self.of_agents.get(agent).into_iter().flatten().cloned().collect()
    }

    fn summary(&self, id: &str) -> Option<OfferSummary> {
        let (framework, agent) = self.map.get(id)?;
        // An inverse offer has no role, and the rule about roles is not applied.
        Some(OfferSummary { framework: framework.clone(), role: Role::new("*"), agent: agent.clone() })
    }
}

/// Makes the inverse offers that the allocator wants after a run, in one event per framework.
pub(crate) fn make_inverse_offers(state: &mut State, cx: &mut Context<'_>) {
    let mut by_framework: BTreeMap<FrameworkId, Vec<InverseOffer>> = BTreeMap::new();
    for wanted in state.allocator.inverse_offers(cx.now.monotonic) {
        by_framework.entry(wanted.framework.clone()).or_default().push(wanted);
    }
    for (framework, wanted) in by_framework {
        let made: Vec<_> = wanted.into_iter().filter_map(|wanted| make_inverse_offer(state, cx, wanted)).collect();
        if let Some(framework) = state.frameworks.get(framework.as_str()).filter(|_| !made.is_empty()) {
            let (offers, pids) = made.into_iter().unzip();
            framework.listener().clone().inverse_offers(cx, offers, pids);
        }
    }
}

fn make_inverse_offer(
    state: &mut State,
    cx: &mut Context<'_>,
    wanted: InverseOffer,
) -> Option<(v1::InverseOffer, String)> {
    let InverseOffer { framework, agent, unavailability } = wanted;
    let listens = state.frameworks.get(framework.as_str()).is_some_and(|f| f.state().is_active());
    let active = state.agents.get(agent.as_str()).filter(|agent| agent.snapshot().active && listens);
    let Some(asked) = active.map(|agent| agent.snapshot().clone()) else {
        // The framework is asked again a little later, when it may be connected.
        let now = cx.now.monotonic;
        state.allocator.update_inverse_offer(now, &agent, &framework, None, Some(refuse_duration(None)));
        return None;
    };
    let id = state.ids.offer();
    if let Some(timeout) = state.config.offer_timeout {
        cx.arm(Timer::OfferTimeout(id.clone()), cx.now.monotonic + timeout);
    }
    let offer = v1::InverseOffer {
        id: id.to_proto(),
        url: Some(Box::new(asked.url())),
        framework_id: framework.to_proto(),
        agent_id: Some(agent.to_proto()),
        unavailability,
        resources: Vec::new(),
    };
    state.inverse_offers.insert(id, framework, agent);
    Some((offer, asked.pid.to_string()))
}

pub(crate) fn accept_inverse_offers(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: &AcceptInverseOffers,
) {
    let refuse = refuse_duration(call.filters.as_ref());
    answer_inverse_offers(state, cx, framework, &call.inverse_offer_ids, Status::Accept, refuse);
}

pub(crate) fn decline_inverse_offers(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: &DeclineInverseOffers,
) {
    let refuse = refuse_duration(call.filters.as_ref());
    answer_inverse_offers(state, cx, framework, &call.inverse_offer_ids, Status::Decline, refuse);
}

/// Handles answers. Valid answers count even if others are invalid, as in Mesos.
fn answer_inverse_offers(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    ids: &[v1::OfferId],
    status: Status,
    refuse: Duration,
) {
    let lookup = |id: &str| state.inverse_offers.summary(id);
    if let Err(reason) = validation::offer::validate_inverse(ids, lookup, framework) {
        tracing::warn!(%framework, %reason, "an answer to inverse offers names some that are not valid");
    }
    for id in ids {
        let own = state.inverse_offers.summary(&id.value).is_some_and(|summary| summary.framework == *framework);
        if own && let Some((id, framework, agent)) = state.inverse_offers.remove(&id.value) {
            let status = InverseOfferStatus {
                status: status as i32,
                framework_id: framework.to_proto(),
                timestamp: time_info(cx.now.wall),
            };
            disarm_inverse_offer(&state.config, cx, id);
            let now = cx.now.monotonic;
            state.allocator.update_inverse_offer(now, &agent, &framework, Some(status.clone()), Some(refuse));
            cx.publish(Change::InverseOfferAnswered { agent, framework, status: Box::new(status) });
        }
    }
}

pub(crate) fn rescind_inverse_offers_of_agent(state: &mut State, cx: &mut Context<'_>, agent: &AgentId) {
    for id in state.inverse_offers.of_agent(agent) {
        end_inverse_offer(state, cx, id.as_str(), true);
    }
}

/// Ends the inverse offers of a framework. `rescind` says whether the framework has to be informed.
pub(crate) fn end_inverse_offers_of_framework(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    rescind: bool,
) {
    for id in state.inverse_offers.of_framework(framework) {
        end_inverse_offer(state, cx, id.as_str(), rescind);
    }
}

/// Ends an inverse offer; an unknown id is ignored.
pub(crate) fn end_inverse_offer(state: &mut State, cx: &mut Context<'_>, id: &str, rescind: bool) {
    let Some((id, framework_id, agent)) = state.inverse_offers.remove(id) else { return };
    if let Some(framework) = state.frameworks.get(framework_id.as_str()).filter(|_| rescind) {
        framework.listener().clone().rescind_inverse_offer(cx, id.to_proto());
    }
    disarm_inverse_offer(&state.config, cx, id);
    state.allocator.update_inverse_offer(cx.now.monotonic, &agent, &framework_id, None, None);
}

fn disarm_inverse_offer(config: &Config, cx: &mut Context<'_>, id: OfferId) {
    if config.offer_timeout.is_some() {
        cx.disarm(Timer::OfferTimeout(id));
    }
}
