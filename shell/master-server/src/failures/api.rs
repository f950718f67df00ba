//! `GET /failures?type=…&severity=…&object=…&open&limit=…[&follow]`. Mesos has no such endpoint.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, header};
use model::incident::Filter;

use super::watchers::line;
use crate::app::MasterApp;
use edge::http::request::Request;
use edge::http::respond::{self, Response, ResponseBody, bad_request};
use edge::http::stream::{QueuedLines, StreamBody, StreamQueue};

/// Answers `/failures`.
pub async fn get(app: &Arc<MasterApp>, request: &Request) -> Response {
    let filter = match Filter::parse(|key| request.query.get(key)) {
        Ok(filter) => filter,
        Err(error) => return bad_request(error.to_string()),
    };
    match request.query.get("follow") {
        None | Some("false") => {
            let snapshot = app.publisher.snapshot().seen_by(app.visibility(request));
            respond::json(snapshot.failures_json(&filter), request.jsonp())
        }
        Some(_) => follow(app, request, filter),
    }
}

/// Streams one JSON object per line: the known incidents, then each change. An empty line is the heartbeat.
fn follow(app: &Arc<MasterApp>, request: &Request, filter: Filter) -> Response {
    let queue = StreamQueue::new(request.connection.clone());
    let snapshot = app.publisher.watch_failures(queue.clone(), filter.clone(), app.visibility(request));
    let first: Vec<u8> = snapshot.failures(&filter).iter().flat_map(|incident| line(incident, None)).collect();
    let (publisher, watcher) = (app.publisher.clone(), queue.clone());
    // The head of the response goes out with the first line, so that a client knows that its request was accepted.
    let first = if first.is_empty() { Bytes::from_static(b"\n") } else { first.into() };
    let body = StreamBody::new(QueuedLines::after(first, queue), move || publisher.unwatch_failures(&watcher));
    let mut response = http::Response::new(ResponseBody::stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}
