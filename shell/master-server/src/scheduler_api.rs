//! `POST /api/v1/scheduler`, the scheduler API.

use std::sync::Arc;

use ::master::{Input, SchedulerCall, SchedulerSubscribe};
use http::{HeaderValue, StatusCode, header};
use messages::v1;
use messages::v1::scheduler::call::Type;
use model::StreamId;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::app::MasterApp;
use edge::core_thread::effect_handler::NO_REPLY;
use edge::core_thread::{InboxItem, Stopped, StreamOpenReply};
use edge::http::call;
use edge::http::request::Request;
use edge::http::respond::{Response, ResponseBody, answer, bad_request, empty, unavailable};
use edge::http::stream::{QueuedRecords, StreamBody, StreamQueue};

/// Answers a call of the scheduler API.
pub async fn handle(app: &Arc<MasterApp>, request: &Request) -> Response {
    match respond(app, request).await {
        Ok(response) | Err(response) => response,
    }
}

async fn respond(app: &Arc<MasterApp>, request: &Request) -> Result<Response, Response> {
    let call: v1::scheduler::Call = call::decode(request)?;
    let caller = request.caller.clone();
    validation::scheduler_call::validate(&call, caller.principal.as_ref().map(|principal| principal.as_str()))
        .map_err(|invalid| bad_request(format!("Failed to validate scheduler::Call: {invalid}")))?;
    let stream = call::stream_id(request);
    if call.r#type() == Type::Subscribe {
        return subscribe(app, request, call, stream.is_some()).await;
    }
    if call.r#type() == Type::ReconcileOperations {
        call::negotiate(request)?;
    }
    let stopping = |stopped: Stopped| unavailable(stopped.to_string());
    if app.scheduler_streams.accepts(stream.as_ref(), &call) {
        let call = SchedulerCall { reply: NO_REPLY, caller, stream, call: Box::new(call) };
        app.inbox.send(InboxItem::Input(Input::SchedulerCall(call)), request.body.len()).await.map_err(stopping)?;
        return Ok(empty(StatusCode::ACCEPTED));
    }
    let ask = |reply| Input::SchedulerCall(SchedulerCall { reply, caller, stream, call: Box::new(call) });
    app.inbox.ask(request.body.len(), ask).await.map(answer).map_err(stopping)
}

/// Opens the event stream of a scheduler. From here on a refusal is an event of the stream, as in Mesos.
async fn subscribe(
    app: &Arc<MasterApp>,
    request: &Request,
    call: v1::scheduler::Call,
    has_stream_id: bool,
) -> Result<Response, Response> {
    let content_type = call::negotiate(request)?;
    if has_stream_id {
        return Err(bad_request("Subscribe calls should not include the 'Mesos-Stream-Id' header"));
    }
    let Some(subscribe) = call.subscribe else {
        return Err(bad_request("Failed to validate scheduler::Call: Expecting 'subscribe' to be present"));
    };
    let stream = StreamId(Uuid::new_v4());
    let queue = StreamQueue::new(request.connection.clone());
    let input = Input::SchedulerSubscribe(SchedulerSubscribe { stream, caller: request.caller.clone(), subscribe });
    let (to, handled) = oneshot::channel();
    let stopping = || unavailable(Stopped.to_string());
    let open = InboxItem::Open { stream, queue: queue.clone(), ask: StreamOpenReply::Handled(to), input };
    app.inbox.send(open, request.body.len()).await.map_err(|_| stopping())?;
    // A scheduler that has received the head of the response may ask about its framework.
    handled.await.map_err(|_| stopping())?;
    let inbox = app.inbox.clone();
    let events = QueuedRecords::new(queue, content_type);
    let body = StreamBody::new(events, move || inbox.send_control(InboxItem::StreamClosed(stream)));
    let mut response = http::Response::new(ResponseBody::stream(body));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, call::content_type(content_type));
    if let Ok(id) = HeaderValue::from_str(&stream.to_string()) {
        response.headers_mut().insert(call::STREAM_ID, id);
    }
    Ok(response)
}
