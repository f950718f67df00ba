//! The reasons for which a framework is offered nothing, or not more: the allocator's explanation, completed with the
//! master's state, as JSON.

use allocator::{AgentEligibility, ExplainQuery, IneligibilityReason, OfferEligibility, ReasonCount};
use machine::{CallResponse, Status};
use model::{AgentId, Monotonic};
use serde_json::{Map, Value, json};

use crate::agents::{Agents, Recovery};
use crate::draining::is_known;
use crate::frameworks::{Framework, Frameworks};
use crate::interface::{Context, Explain};
use crate::offers::Offers;
use crate::state::State;

pub(crate) fn explain(state: &State, cx: &mut Context<'_>, request: Explain) {
    let answer = explanation(state, cx.now.monotonic, &request.question);
    cx.reply(request.reply, answer);
}

fn explanation(state: &State, now: Monotonic, question: &ExplainQuery) -> CallResponse {
    if let Some(id) = &question.framework
        && state.frameworks.get(id.as_str()).is_none()
    {
        return CallResponse::new(Status::NotFound, format!("No framework {id}"));
    }
    if let Some(id) = &question.agent
        && !is_known(&state.agents, &state.recovery, id)
    {
        return CallResponse::new(Status::NotFound, format!("No agent {id}"));
    }
    let answer = state.allocator.explain_query(now, question);
    let eligibilities: Vec<Value> = answer
        .eligibilities
        .iter()
        .map(|eligibility| offer_eligibility(&state.frameworks, &state.offers, now, eligibility))
        .collect();
    let document = json!({
        "eligibilities": eligibilities,
        "truncated": answer.truncated,
        "condition": question.agent.as_ref().map(|id| condition(&state.agents, &state.recovery, id)),
        "failures": question.agent.as_ref().and_then(|id| state.monitor.explain(now, id)),
    });
    CallResponse::new(Status::Ok, document.to_string())
}

/// Returns the condition of a known agent. The allocator knows nothing of unregistered agents, but the monitor may.
fn condition(agents: &Agents, recovery: &Recovery, id: &AgentId) -> &'static str {
    if agents.get(id.as_str()).is_some() {
        "registered"
    } else if recovery.contains(id.as_str()) {
        "recovered"
    } else {
        "unreachable"
    }
}

fn offer_eligibility(
    frameworks: &Frameworks,
    offers: &Offers,
    now: Monotonic,
    eligibility: &OfferEligibility,
) -> Value {
    let framework = frameworks.get(eligibility.framework.as_str());
    json!({
        "framework": eligibility.framework.as_str(),
        "name": framework.map(|framework| framework.info().name.as_str()),
        "role": eligibility.role.as_str(),
        "weight": eligibility.weight,
        "role_share": eligibility.role_share,
        "framework_share": eligibility.framework_share,
        "offers": framework.map_or(0, |framework| offers_in_role(offers, framework, eligibility.role.as_str())),
        "agents": eligibility.agents,
        "open": eligibility.open,
        "summary": eligibility.summary.iter().map(|count| summary(now, count)).collect::<Vec<_>>(),
        "details": eligibility.agent_details.iter().map(|detail_of_agent| detail(now, detail_of_agent)).collect::<Vec<_>>(),
    })
}

fn offers_in_role(offers: &Offers, framework: &Framework, role: &str) -> usize {
    let of_role = |offer: &model::OfferId| offers.get(offer.as_str()).is_some_and(|offer| offer.role.as_str() == role);
    offers.of_framework(framework.id().as_str()).iter().filter(|offer| of_role(offer)).count()
}

fn summary(now: Monotonic, count: &ReasonCount) -> Value {
    let mut summary = reason(now, &count.reason);
    summary.insert("agents".to_owned(), count.agents.into());
    summary.into()
}

fn detail(now: Monotonic, detail_of_agent: &AgentEligibility) -> Value {
    json!({
        "agent": detail_of_agent.agent.as_str(),
        "hostname": detail_of_agent.hostname,
        "available": detail_of_agent.available.to_string(),
        "reasons": detail_of_agent.reasons.iter().map(|one| reason(now, one)).collect::<Vec<_>>(),
    })
}

/// Writes a reason. `seconds` are the seconds until it ends by itself.
fn reason(now: Monotonic, reason: &IneligibilityReason) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("code".to_owned(), reason.code().into());
    members.insert("text".to_owned(), reason.to_string().into());
    if let Some(until) = reason.until() {
        members.insert("seconds".to_owned(), until.since(now).as_secs_f64().into());
    }
    members
}
