//! The reads `/state`, `/containers` and `/monitor/statistics`: documents of the view. A document that shows containers
//! measures them first.

use std::collections::BTreeMap;
use std::sync::Arc;

use edge::http::request::Request;
use edge::http::respond::{self, Response, bad_request, unavailable};
use views::Query;
use views::agent::Document;

use super::app::AgentApp;
use super::images::PendingPull;

/// Answers `/containers`.
pub async fn containers(app: &Arc<AgentApp>, request: &Request) -> Response {
    match app.publisher.snapshot().seen_by(app.visibility(request)).containers(&request.query) {
        Ok(_) => document(app, Document::Containers, request).await,
        Err(refusal) => bad_request(refusal.to_string()),
    }
}

/// Answers `/monitor/statistics`, which measures every container.
pub async fn statistics(app: &Arc<AgentApp>, request: &Request) -> Response {
    app.statistics_limit.acquire().await;
    document(app, Document::Statistics, request).await
}

/// Answers `/containerizer/debug`: what containers that are being launched wait for, which is the pull of their images.
/// Mesos lists the operations of isolators in this form.
pub async fn pending(app: &Arc<AgentApp>, request: &Request) -> Response {
    let pulls = app.containers.images().pending_pulls();
    let shown = |pull: PendingPull| {
        serde_json::json!({
            "operation": "provisioner::pull",
            "args": {"containerId": pull.container, "image": pull.image, "progress": pull.progress},
        })
    };
    let pending: Vec<serde_json::Value> = pulls.into_iter().map(shown).collect();
    respond::json(serde_json::json!({ "pending": pending }).to_string(), request.jsonp())
}

/// Answers with a document of the view.
pub async fn document(app: &Arc<AgentApp>, document: Document, request: &Request) -> Response {
    let (measured, query, visibility) = (app.clone(), request.query.meaningful(), app.visibility(request));
    // The key contains everything that the response depends on.
    let key = app.read_key(request, &format!("{document:?} {query:?}"));
    let prepare = move || {
        let snapshot = measured.publisher.snapshot().seen_by(visibility);
        let kept = snapshot.clone();
        let build = move || {
            let usage = match document {
                Document::State => BTreeMap::new(),
                Document::Containers => measured.measure(&snapshot, &query).ok()?,
                Document::Statistics => measured.measure(&snapshot, &Query::default()).ok()?,
            };
            Some(snapshot.document(document, &query, &usage))
        };
        (build, kept)
    };
    match app.singleflight.clone().run(key, prepare).await {
        Some(body) => respond::json(body, request.jsonp()),
        None => unavailable("The answer cannot be built"),
    }
}
