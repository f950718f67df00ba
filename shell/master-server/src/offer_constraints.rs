//! `/allocator/offer_constraints_debug`: the agents that the offer constraints of frameworks exclude, by role.

use std::sync::Arc;

use allocator::{OfferConstraintsFilter, PatternLimits};
use edge::http::request::Request;
use edge::http::respond::{self, Response, unavailable};
use serde_json::{Map, Value, json};
use views::master::Snapshot;

use super::app::MasterApp;

/// Answers the request from a snapshot, as one of the expensive reads.
pub async fn get(app: &Arc<MasterApp>, request: &Request) -> Response {
    let (publisher, limits, visibility) =
        (app.publisher.clone(), app.offer_constraints_limits, app.visibility(request));
    let prepare = move || {
        let snapshot = publisher.snapshot().seen_by(visibility);
        let kept = snapshot.clone();
        (move || Some(describe(&snapshot, limits).to_string().into_bytes().into()), kept)
    };
    let key = app.read_key(request, "offer_constraints_debug");
    match app.singleflight.clone().run(key, prepare).await {
        Some(body) => respond::json(body, request.jsonp()),
        None => unavailable("The offer constraints cannot be evaluated"),
    }
}

fn describe(snapshot: &Snapshot, limits: PatternLimits) -> Value {
    let frameworks = snapshot.frameworks().map(|framework| {
        // The constraints were compiled when the master accepted them.
        let constraints = framework.offer_constraints.as_deref();
        let filter = constraints.and_then(|constraints| OfferConstraintsFilter::compile(constraints, limits).ok());
        let excluded = framework.roles.iter().map(|role| {
            let agents = snapshot
                .agents()
                .filter(|agent| filter.as_ref().is_some_and(|filter| filter.excludes(role, &agent.info)));
            (role.to_string(), agents.map(|agent| json!(agent.id.as_str())).collect::<Vec<_>>().into())
        });
        let suppressed: Vec<_> = framework.suppressed.iter().map(|role| json!(role.as_str())).collect();
        let about = json!({
            "suppressed_roles": suppressed,
            "excluded_by_attribute_constraints": excluded.collect::<Map<String, Value>>(),
        });
        (framework.id.to_string(), about)
    });
    json!({ "frameworks": frameworks.collect::<Map<String, Value>>() })
}
