//! `POST /api/v1/executor`, the executor API.

use std::sync::Arc;

use ::agent::{ExecutorCall, ExecutorSubscribe, Input};
use http::{StatusCode, header};
use machine::Status;
use messages::v1::executor::Call;
use messages::v1::executor::call::Type;
use model::StreamId;
use uuid::Uuid;

use super::app::AgentApp;
use edge::core_thread::{InboxItem, StreamOpenReply};
use edge::http::call;
use edge::http::request::Request;
use edge::http::respond::{Response, ResponseBody, answer, bad_request, empty, unavailable};
use edge::http::stream::{QueuedRecords, StreamBody, StreamQueue};

/// Answers a call of the executor API.
pub async fn handle(app: &Arc<AgentApp>, request: &Request) -> Response {
    match respond(app, request).await {
        Ok(response) | Err(response) => response,
    }
}

async fn respond(app: &Arc<AgentApp>, request: &Request) -> Result<Response, Response> {
    let call: Call = call::decode(request)?;
    validation::executor_call::validate(&call)
        .map_err(|invalid| bad_request(format!("Failed to validate Executor::Call: {invalid}")))?;
    match call.r#type() {
        Type::Subscribe => subscribe(app, request, call).await,
        Type::Heartbeat => Ok(empty(StatusCode::ACCEPTED)),
        _ => {
            let caller = request.caller.clone();
            let ask = |reply| Input::ExecutorCall(ExecutorCall { reply, caller, call: Box::new(call) });
            app.inbox.ask(request.body.len(), ask).await.map(answer).map_err(|stopped| unavailable(stopped.to_string()))
        }
    }
}

/// Subscribes an executor. The core decides whether a stream opens, and has queued its first events by then.
async fn subscribe(app: &Arc<AgentApp>, request: &Request, call: Call) -> Result<Response, Response> {
    let content_type = call::negotiate(request)?;
    let stopping = |stopped: edge::core_thread::Stopped| unavailable(stopped.to_string());
    let stream = StreamId(Uuid::new_v4());
    let queue = StreamQueue::new(request.connection.clone());
    let inbox = app.inbox.clone();
    // The body exists before the core knows the stream, so that the end of the stream is reported in every case.
    let events = QueuedRecords::new(queue.clone(), content_type);
    let body = StreamBody::new(events, move || inbox.send_control(InboxItem::StreamClosed(stream)));
    let (reply, to, answered) = app.inbox.reply();
    let input = Input::ExecutorSubscribe(ExecutorSubscribe {
        reply,
        caller: request.caller.clone(),
        stream,
        call: Box::new(call),
    });
    app.inbox
        .send(
            InboxItem::Open { stream, queue, ask: StreamOpenReply::CallResponse(reply, to), input },
            request.body.len(),
        )
        .await
        .map_err(stopping)?;
    let answered = answered.await.map_err(|_| stopping(edge::core_thread::Stopped))?;
    if answered.status != Status::Ok {
        return Err(answer(answered));
    }
    let mut response = http::Response::new(ResponseBody::stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, call::content_type(content_type));
    Ok(response)
}
