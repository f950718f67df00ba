//! `POST /api/v1` of a master: reads from the view and from this process, calls that change the core, and the event
//! stream.

use std::sync::Arc;
use std::time::Duration;

use ::master::{Input, OperatorCall};
use bytes::Bytes;
use http::header;
use messages::v1;
use messages::v1::master::call::Type;
use messages::v1::master::response::{self, Type as Kind};
use messages::v1::master::{Call, Response as Reply};
use wire::ContentType;

use super::app::MasterApp;
use super::publisher::heartbeat;
use edge::endpoints::common::CommonEndpoints;
use edge::endpoints::{files_api, info, metrics};
use edge::http::call;
use edge::http::request::Request;
use edge::http::respond::{Response, ResponseBody, answer, bad_request, empty, not_implemented, unavailable};
use edge::http::stream::{QueuedRecords, StreamBody, record};

/// Answers a call of the operator API.
pub async fn handle(app: &Arc<MasterApp>, request: &Request) -> Response {
    match respond(app, request).await {
        Ok(response) | Err(response) => response,
    }
}

async fn respond(app: &Arc<MasterApp>, request: &Request) -> Result<Response, Response> {
    let call: Call = call::decode(request)?;
    validation::master_call::validate(&call)
        .map_err(|invalid| bad_request(format!("Failed to validate master::Call: {invalid}")))?;
    let content_type = call::negotiate(request)?;
    let kind = call.r#type();
    match kind {
        Type::Unknown => Ok(not_implemented()),
        Type::Subscribe => subscribe(app, request, content_type).await,
        Type::SetLoggingLevel => Ok(set_logging_level(app, call)),
        _ => match read_here(app, &call).await? {
            Some(reply) => Ok(call::encoded(content_type, &reply)),
            None if is_read(kind) => read_view(app, request, call, content_type).await,
            None => change(app, request, call).await,
        },
    }
}

/// Answers calls about this process.
async fn read_here(app: &Arc<MasterApp>, call: &Call) -> Result<Option<Reply>, Response> {
    let mut reply = Reply::default();
    let kind = match call.r#type() {
        Type::GetHealth => {
            reply.get_health = Some(response::GetHealth { healthy: true });
            Kind::GetHealth
        }
        Type::GetFlags => {
            reply.get_flags = Some(Box::new(response::GetFlags { flags: info::flag_list(&app.common.flags) }));
            Kind::GetFlags
        }
        Type::GetVersion => {
            let version_info = info::version_info(&app.common.build);
            reply.get_version = Some(Box::new(response::GetVersion { version_info }));
            Kind::GetVersion
        }
        Type::GetMetrics => {
            let app = app.clone();
            let metrics = metrics::gather(move || app.metrics()).await;
            let metrics = metrics.into_iter().map(|(name, value)| v1::Metric { name, value: Some(value) }).collect();
            reply.get_metrics = Some(Box::new(response::GetMetrics { metrics }));
            Kind::GetMetrics
        }
        Type::GetLoggingLevel => {
            reply.get_logging_level = Some(response::GetLoggingLevel { level: app.common.logging.level() });
            Kind::GetLoggingLevel
        }
        Type::ListFiles => {
            let path = call.list_files.as_ref().map(|list| list.path.clone()).unwrap_or_default();
            let file_infos = files_api::list(&app.common.files, path).await?;
            reply.list_files = Some(Box::new(response::ListFiles { file_infos }));
            Kind::ListFiles
        }
        Type::ReadFile => {
            let Some(read) = call.read_file.as_deref() else { return Ok(None) };
            let contents =
                files_api::read_range(&app.common.files, read.path.clone(), read.offset, read.length).await?;
            reply.read_file = Some(response::ReadFile { size: contents.size, data: contents.data });
            Kind::ReadFile
        }
        _ => return Ok(None),
    };
    reply.r#type = Some(kind as i32);
    Ok(Some(reply))
}

fn is_read(kind: Type) -> bool {
    kind.as_str_name().starts_with("GET_")
}

/// Answers a read of the whole view, encoded on a thread for expensive reads, because GET_STATE of a large cluster
/// takes long.
async fn read_view(
    app: &Arc<MasterApp>,
    request: &Request,
    call: Call,
    content_type: ContentType,
) -> Result<Response, Response> {
    // Only reads of the whole cluster arrive here. Their calls have no fields but the type.
    let key = app.read_key(request, &format!("{} {}", call.r#type().as_str_name(), content_type.as_str()));
    let (publisher, visibility) = (app.publisher.clone(), app.visibility(request));
    let prepare = move || {
        let snapshot = publisher.snapshot().seen_by(visibility);
        let kept = snapshot.clone();
        let build = move || match content_type {
            ContentType::Json => snapshot.operator_json(&call),
            ContentType::Protobuf => snapshot.operator_protobuf(&call),
        };
        (build, kept)
    };
    let body = app.singleflight.clone().run(key, prepare).await.ok_or_else(not_implemented)?;
    let kind = (header::CONTENT_TYPE, call::content_type(content_type));
    Ok(edge::http::respond::respond(http::StatusCode::OK, &[kind], body))
}

async fn change(app: &Arc<MasterApp>, request: &Request, call: Call) -> Result<Response, Response> {
    let caller = request.caller.clone();
    let ask = |reply| Input::OperatorCall(OperatorCall { reply, caller, call: Box::new(call) });
    app.inbox.ask(request.body.len(), ask).await.map(answer).map_err(|stopped| unavailable(stopped.to_string()))
}

fn set_logging_level(app: &Arc<MasterApp>, call: Call) -> Response {
    if let Some(wanted) = call.set_logging_level {
        let duration = u64::try_from(wanted.duration.nanoseconds).unwrap_or_default();
        app.common.logging.set(wanted.level, Duration::from_nanos(duration));
    }
    empty(http::StatusCode::OK)
}

/// Opens an event stream. Subscribers who arrive while a state is being encoded share the next one.
async fn subscribe(app: &Arc<MasterApp>, request: &Request, content_type: ContentType) -> Result<Response, Response> {
    let visibility = app.visibility(request);
    let (subscription, mut beginning) =
        app.publisher.subscribe(request.connection.clone(), content_type, visibility.clone());
    let publisher = app.publisher.clone();
    let prepare = move || {
        let (begin, kept) = publisher.send_initial_states(content_type, visibility);
        let build = move || {
            begin();
            None
        };
        (build, kept)
    };
    let key = app.read_key(request, &format!("SUBSCRIBE {}", content_type.as_str()));
    app.singleflight.clone().run(key, prepare).await;
    // The build that has just ended, or one before it, has sent the state, unless the term has ended meanwhile.
    let state = beginning.try_recv().map_err(|_| unavailable("The stream could not begin"))?;
    let state = state.map_err(|exhausted| unavailable(exhausted.to_string()))?;
    let first = vec![state, Bytes::from(record(&wire::encode_as(content_type, &heartbeat())))];
    let queue = subscription.queue.clone();
    let body = StreamBody::new(QueuedRecords::after(first, queue, content_type), move || drop(subscription));
    let mut response = http::Response::new(ResponseBody::stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, call::content_type(content_type));
    Ok(response)
}
