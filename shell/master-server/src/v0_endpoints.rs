//! The endpoints from before the operator API: JSON reads from the view, forms that change something.

use std::sync::Arc;

use ::master::{Input, KillTask, OperatorCall};
use http::Method;
use messages::v1;

use super::app::MasterApp;
use edge::http::request::{Request, parse_query};
use edge::http::respond::{self, Response, answer, bad_request, method_not_allowed, not_found, unavailable};

/// Like Mesos, whatever the method.
pub async fn read(app: &Arc<MasterApp>, route: &'static str, request: &Request) -> Response {
    let publisher = app.publisher.clone();
    let query = request.query.meaningful();
    // Everything that decides the answer.
    let key = format!("{route}?{query:?}");
    let prepare = move || {
        let snapshot = publisher.snapshot();
        let kept = snapshot.clone();
        (move || snapshot.get(route, &query), kept)
    };
    match app.singleflight.clone().run(key, prepare).await {
        Some(body) => respond::json(body, request.jsonp()),
        None => not_found(),
    }
}

pub async fn teardown(app: &Arc<MasterApp>, request: &Request) -> Response {
    if request.method != Method::POST {
        return method_not_allowed(&["POST"], &request.method);
    }
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
    let caller = app.caller();
    let ask = |reply| Input::OperatorCall(OperatorCall { reply, caller, call: Box::new(call) });
    app.inbox.ask(ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}

/// `POST /kill-task` with the form `frameworkId=…&taskId=…`, which Mesos does not have: 202, or 404 where there is no such
/// live task.
pub async fn kill_task(app: &Arc<MasterApp>, request: &Request) -> Response {
    if request.method != Method::POST {
        return method_not_allowed(&["POST"], &request.method);
    }
    let form = match parse_query(&String::from_utf8_lossy(&request.body)) {
        Ok(form) => form,
        Err(error) => return bad_request(error.to_string()),
    };
    let (Some(framework), Some(task)) = (form.get("frameworkId"), form.get("taskId")) else {
        return bad_request("Missing 'frameworkId' or 'taskId' in the request body");
    };
    let (framework, task, caller) = (framework.to_owned(), task.to_owned(), app.caller());
    let ask = |reply| Input::KillTask(KillTask { reply, caller, framework, task });
    app.inbox.ask(ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}
