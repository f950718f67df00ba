//! Why a framework is offered nothing, or not more: the allocator's answer with what the master knows besides, as JSON.

use allocator::{Question, Reason, Standing, Tally, Verdict};
use serde_json::{Map, Value, json};
use vocabulary::{AgentId, Answer, Monotonic, Status};

use crate::cx::Cx;
use crate::framework::Framework;
use crate::input::Explain;
use crate::master::Master;

impl Master {
    pub(crate) fn explain(&self, cx: &mut Cx<'_>, request: Explain) {
        let answer = self.explanation(cx.now.monotonic, &request.question);
        cx.reply(request.reply, answer);
    }

    fn explanation(&self, now: Monotonic, question: &Question) -> Answer {
        if let Some(id) = &question.framework
            && self.frameworks.get(id.as_str()).is_none()
        {
            return Answer::new(Status::NotFound, format!("No framework {id}"));
        }
        if let Some(id) = &question.agent
            && !self.is_known(id)
        {
            return Answer::new(Status::NotFound, format!("No agent {id}"));
        }
        let answer = self.allocator.answer(now, question);
        let standings: Vec<Value> = answer.standings.iter().map(|standing| self.standing(now, standing)).collect();
        let document = json!({
            "standings": standings,
            "truncated": answer.truncated,
            "condition": question.agent.as_ref().map(|id| self.condition(id)),
            "health": question.agent.as_ref().and_then(|id| self.monitor.explain(now, id)),
        });
        Answer::new(Status::Ok, document.to_string())
    }

    /// Of an agent that is known. Of those that are away the allocator knows nothing, but the monitor may.
    fn condition(&self, id: &AgentId) -> &'static str {
        if self.agents.get(id.as_str()).is_some() {
            "registered"
        } else if self.recovery.contains(id.as_str()) {
            "awaited"
        } else {
            "unreachable"
        }
    }

    fn standing(&self, now: Monotonic, standing: &Standing) -> Value {
        let framework = self.frameworks.get(standing.framework.as_str());
        json!({
            "framework": standing.framework.as_str(),
            "name": framework.map(|framework| framework.info().name.as_str()),
            "role": standing.role.as_str(),
            "weight": standing.weight,
            "role_share": standing.role_share,
            "framework_share": standing.framework_share,
            "offers": framework.map_or(0, |framework| self.offers_in_role(framework, standing.role.as_str())),
            "agents": standing.agents,
            "open": standing.open,
            "summary": standing.summary.iter().map(|tally| summary(now, tally)).collect::<Vec<_>>(),
            "details": standing.verdicts.iter().map(|verdict| detail(now, verdict)).collect::<Vec<_>>(),
        })
    }

    fn offers_in_role(&self, framework: &Framework, role: &str) -> usize {
        let of_role = |offer: &&vocabulary::OfferId| {
            self.offers.get(offer.as_str()).is_some_and(|offer| offer.role.as_str() == role)
        };
        framework.offers.iter().filter(of_role).count()
    }
}

fn summary(now: Monotonic, tally: &Tally) -> Value {
    let mut summary = reason(now, &tally.reason);
    summary.insert("agents".to_owned(), tally.agents.into());
    summary.into()
}

fn detail(now: Monotonic, verdict: &Verdict) -> Value {
    json!({
        "agent": verdict.agent.as_str(),
        "hostname": verdict.hostname,
        "available": verdict.available.to_string(),
        "reasons": verdict.reasons.iter().map(|one| reason(now, one)).collect::<Vec<_>>(),
    })
}

/// `seconds` are those until it ends by itself.
fn reason(now: Monotonic, reason: &Reason) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("code".to_owned(), reason.code().into());
    members.insert("text".to_owned(), reason.to_string().into());
    if let Some(until) = reason.until() {
        members.insert("seconds".to_owned(), until.since(now).as_secs_f64().into());
    }
    members
}
