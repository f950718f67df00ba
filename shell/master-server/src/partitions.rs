//! `/partitions`, which Mesos does not have: partitions as JSON over HTTP.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /partitions` | 200, `{"partitions": […]}`: each with its terms and what it uses, lends and borrows |
//! | `GET /partitions/<id>` | 200 and the one, or 404 |
//! | `PUT /partitions/<id>[?force=true]` | creates or replaces it: 200; 400 for what makes no sense, 409 for what does not fit |
//! | `DELETE /partitions/<id>` | 200 or 404 |
//!
//! The body of a PUT, of which only `role` and `resources` have to be there:
//!
//! ```json
//! {"role": "batch", "resources": {"cpus": {"min": 4, "max": 16}, "mem": {"min": 8192}}, "priority": 10, "weight": 2.0,
//!  "lends": true, "preemptible": false}
//! ```
//!
//! `min` is kept for the role, `max` is never exceeded. The minimum of a higher priority is kept first. What a partition
//! that `lends` does not use of its minimum goes to others until its frameworks want it; tasks of one that is
//! `preemptible` may be ended to give back what it borrowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::master::{Input, PartitionCall, PartitionRequest};
use http::Method;
use messages::tepui::registry::Partition;
use messages::tepui::registry::partition::Share;
use serde::Deserialize;

use super::app::MasterApp;
use super::endpoints::PROCESS;
use edge::http::request::{Request, decode};
use edge::http::respond::{self, Response, answer, bad_request, text, unavailable};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartitionSpec {
    role: String,
    resources: BTreeMap<String, Bounds>,
    #[serde(default)]
    priority: i32,
    #[serde(default = "one")]
    weight: f64,
    #[serde(default = "yes")]
    lends: bool,
    #[serde(default)]
    preemptible: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    min: Option<f64>,
    max: Option<f64>,
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// Answers `/partitions` and `/partitions/<id>`.
pub async fn handle(app: &Arc<MasterApp>, request: &Request) -> Response {
    let Some(id) = id_of(request.below(PROCESS, "partitions")) else {
        return bad_request("The id of a partition is one part of the path: /partitions/<id>");
    };
    match request.method {
        Method::PUT => put(app, id, request).await,
        Method::DELETE => ask(app, request, PartitionRequest::Remove(id)).await,
        _ => show(app, &id, request),
    }
}

/// Returns the id in the rest of the path; `None` if the rest is not one id.
fn id_of(rest: &str) -> Option<String> {
    decode(rest).ok().filter(|id| !id.is_empty() && !id.contains('/'))
}

fn show(app: &Arc<MasterApp>, id: &str, request: &Request) -> Response {
    match app.publisher.snapshot().seen_by(app.visibility(request)).partition(id) {
        Some(body) => respond::json(body, request.jsonp()),
        None => text(
            http::StatusCode::NOT_FOUND,
            format!("There is no partition '{id}'; GET /partitions lists those that exist"),
        ),
    }
}

async fn put(app: &Arc<MasterApp>, id: String, request: &Request) -> Response {
    let spec: PartitionSpec = match serde_json::from_slice(&request.body) {
        Ok(spec) => spec,
        Err(error) => {
            return bad_request(format!(
                "Failed to read the partition: {error}. Expecting e.g. {{\"role\": \"batch\", \"resources\": {{\"cpus\": \
                 {{\"min\": 4, \"max\": 16}}}}}}"
            ));
        }
    };
    let force = request.query.get("force").is_some_and(|force| force == "true");
    let share = |(name, bounds): (String, Bounds)| Share { name, min: bounds.min, max: bounds.max };
    let partition = Partition {
        id,
        role: spec.role,
        resources: spec.resources.into_iter().map(share).collect(),
        priority: Some(spec.priority),
        weight: Some(spec.weight),
        lends: Some(spec.lends),
        preemptible: Some(spec.preemptible),
    };
    ask(app, request, PartitionRequest::Put { partition: Box::new(partition), force }).await
}

async fn ask(app: &Arc<MasterApp>, from: &Request, request: PartitionRequest) -> Response {
    let caller = from.caller.clone();
    let ask = |reply| Input::PartitionCall(PartitionCall { reply, caller, request });
    app.inbox.ask(from.body.len(), ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_one_part_of_the_path() {
        let check = |rest: &str, expect: Option<&str>| {
            assert_eq!(id_of(rest), expect.map(str::to_owned), "{rest}");
        };
        check("", None);
        check("batch", Some("batch"));
        check("ba%74ch", Some("batch"));
        check("a/b", None);
        check("a%2Fb", None);
    }

    #[test]
    fn a_spec_has_defaults_and_no_unknown_members() {
        let spec: PartitionSpec = serde_json::from_str(r#"{"role":"r","resources":{"cpus":{"min":1}}}"#).unwrap();
        assert_eq!((spec.priority, spec.weight, spec.lends, spec.preemptible), (0, 1.0, true, false));
        assert!(serde_json::from_str::<PartitionSpec>(r#"{"role":"r","resources":{},"minimum":1}"#).is_err());
        assert!(serde_json::from_str::<PartitionSpec>(r#"{"resources":{}}"#).is_err());
    }
}
