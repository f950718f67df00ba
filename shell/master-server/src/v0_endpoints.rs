//! The endpoints from before the operator API: JSON reads from the view, and forms that change something.

use std::sync::Arc;

use ::master::{Input, KillTask, OperatorCall};
use messages::v1;
use views::master::Document;

use super::app::MasterApp;
use edge::http::request::{Request, parse_query};
use edge::http::respond::{self, Response, answer, bad_request, unavailable};

/// Answers with a document of the view.
pub async fn read(app: &Arc<MasterApp>, document: Document, request: &Request) -> Response {
    let (publisher, visibility) = (app.publisher.clone(), app.visibility(request));
    let query = request.query.meaningful();
    // The key contains everything that the response depends on.
    let key = app.read_key(request, &format!("{document:?} {query:?}"));
    let prepare = move || {
        let snapshot = publisher.snapshot().seen_by(visibility);
        let kept = snapshot.clone();
        (move || Some(snapshot.document(document, &query)), kept)
    };
    match app.singleflight.clone().run(key, prepare).await {
        Some(body) => respond::json(body, request.jsonp()),
        None => unavailable("The answer cannot be built"),
    }
}

/// Answers `POST /teardown` with the form `frameworkId=…`.
pub async fn teardown(app: &Arc<MasterApp>, request: &Request) -> Response {
    let form = match parse_query(&String::from_utf8_lossy(&request.body)) {
        Ok(form) => form,
        Err(error) => return bad_request(error.to_string()),
    };
    let Some(id) = form.get("frameworkId") else {
        return bad_request("Missing 'frameworkId' query parameter in the request body");
    };
    let teardown = v1::master::call::Teardown { framework_id: v1::FrameworkId { value: id.to_owned() } };
    let call = v1::master::Call {
        r#type: Some(v1::master::call::Type::Teardown as i32),
        teardown: Some(Box::new(teardown)),
        ..Default::default()
    };
    let caller = request.caller.clone();
    let ask = |reply| Input::OperatorCall(OperatorCall { reply, caller, call: Box::new(call) });
    app.inbox.ask(request.body.len(), ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}

/// Answers `POST /kill-task` with the form `frameworkId=…&taskId=…`, which Mesos does not have: 202, or 404 if there is
/// no such live task.
pub async fn kill_task(app: &Arc<MasterApp>, request: &Request) -> Response {
    let form = match parse_query(&String::from_utf8_lossy(&request.body)) {
        Ok(form) => form,
        Err(error) => return bad_request(error.to_string()),
    };
    let (Some(framework), Some(task)) = (form.get("frameworkId"), form.get("taskId")) else {
        return bad_request("Missing 'frameworkId' or 'taskId' in the request body");
    };
    let (framework, task, caller) = (framework.to_owned(), task.to_owned(), request.caller.clone());
    let ask = |reply| Input::KillTask(KillTask { reply, caller, framework, task });
    app.inbox.ask(request.body.len(), ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}
