//! `GET /explain?framework=…&role=…&agent=…&demand=cpus:4;mem:1024`: why something is not offered. Mesos has no such
//! endpoint.

use std::sync::Arc;

use ::master::{Explain, Input};
use allocator::ExplainQuery;
use machine::Status;
use model::{AgentId, FrameworkId, Role};
use resources::{ResourceQuantities, Resources};

use super::app::MasterApp;
use edge::http::request::Request;
use edge::http::respond::{self, Response, answer, bad_request, unavailable};

/// Answers `/explain`.
pub async fn get(app: &Arc<MasterApp>, request: &Request) -> Response {
    let query = &request.query;
    let demand = match query.get("demand").map(demand).transpose() {
        Ok(demand) => demand,
        Err(error) => return bad_request(format!("Failed to parse 'demand': {error}")),
    };
    let question = ExplainQuery {
        framework: query.get("framework").map(FrameworkId::new),
        role: query.get("role").map(Role::new),
        agent: query.get("agent").map(AgentId::new),
        demand,
    };
    let caller = request.caller.clone();
    match app.inbox.ask(0, |reply| Input::Explain(Explain { reply, caller, question })).await {
        Ok(explanation) if explanation.status == Status::Ok => {
            respond::json(explanation.body.into_bytes(), request.jsonp())
        }
        Ok(explanation) => answer(explanation),
        Err(stopped) => unavailable(stopped.to_string()),
    }
}

/// Parses the demand. Ranges and sets count by their number of elements.
fn demand(text: &str) -> Result<ResourceQuantities, resources::Error> {
    let resources = Resources::parse(text, "*")?;
    Ok(resources.iter().map(|resource| (resource.name().clone(), resource.value().quantity())).collect())
}
