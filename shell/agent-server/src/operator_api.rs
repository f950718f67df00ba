//! `POST /api/v1` of an agent: reads from the view, from the containers and from this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use messages::v1;
use messages::v1::agent::call::Type;
use messages::v1::agent::response::{self, Type as Kind};
use messages::v1::agent::{Call, Response as Reply};
use views::Query;
use wire::{ContentType, Limits};

use super::app::AgentApp;
use super::container_calls;
use super::images::PruneError;
use super::media_types::{Framing, MediaTypes};
use super::usage;
use edge::endpoints::common::CommonEndpoints;
use edge::endpoints::{files_api, info, metrics};
use edge::http::body::BodyStream;
use edge::http::call;
use edge::http::request::Request;
use edge::http::respond::{self, Response, bad_request, empty, not_implemented};

/// Answers a call. If the body is a stream, it is read up to the end of its first record.
pub async fn handle(app: &Arc<AgentApp>, request: &Request, body: BodyStream) -> Response {
    match respond(app, request, body).await {
        Ok(response) | Err(response) => response,
    }
}

async fn respond(app: &Arc<AgentApp>, request: &Request, mut body: BodyStream) -> Result<Response, Response> {
    let media = MediaTypes::of(request)?;
    let (encoding, encoded) = media.call(&mut body).await?;
    let mut call: Call =
        wire::decode_as(encoding, &encoded, &Limits::default()).map_err(|error| bad_request(error.to_string()))?;
    validation::agent_call::validate(&call)
        .map_err(|invalid| bad_request(format!("Failed to validate agent::Call: {invalid}")))?;
    media.check_call(call.r#type())?;
    if call.r#type() == Type::SetLoggingLevel {
        return Ok(set_logging_level(app, call));
    }
    if call.r#type() == Type::PruneImages {
        return Ok(prune_images(app, call).await);
    }
    let mut body = Some(body);
    if let Some(answer) = container_calls::answer(app, request, media, &mut body, &mut call).await {
        return answer;
    }
    let Framing::Single(content_type) = media.accept else { return Err(not_implemented()) };
    match read_here(app, &call).await? {
        Some(reply) => Ok(call::encoded(content_type, &reply)),
        None => read_view(app, request, call, content_type).await,
    }
}

async fn read_here(app: &Arc<AgentApp>, call: &Call) -> Result<Option<Reply>, Response> {
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
            let Some(read) = call.read_file.as_ref() else { return Ok(None) };
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

/// Answers a read of the view. A call that neither the view nor this process answers is not implemented.
async fn read_view(
    app: &Arc<AgentApp>,
    request: &Request,
    call: Call,
    content_type: ContentType,
) -> Result<Response, Response> {
    let (agent, visibility) = (app.clone(), app.visibility(request));
    let build = move || {
        let snapshot = agent.publisher.snapshot().seen_by(visibility);
        let measured = match call.r#type() {
            Type::GetContainers => agent.measure(&snapshot, &Query::default()).ok()?,
            _ => BTreeMap::new(),
        };
        if let Some(asked) = call.get_containers.as_ref().filter(|asked| asked.show_nested() || asked.show_standalone())
        {
            let mut reply = snapshot.operator(&call, &measured)?;
            usage::add_nested(&agent.containers, asked, &mut reply);
            return Some(Bytes::from(wire::encode_as(content_type, &reply)));
        }
        match content_type {
            ContentType::Json => snapshot.operator_json(&call, &measured),
            ContentType::Protobuf => {
                snapshot.operator(&call, &measured).map(|reply| Bytes::from(wire::encode_as(content_type, &reply)))
            }
        }
    };
    let body = tokio::task::spawn_blocking(build).await.ok().flatten().ok_or_else(not_implemented)?;
    Ok(respond::respond(StatusCode::OK, &[(header::CONTENT_TYPE, call::content_type(content_type))], body))
}

/// Removes the images that no container uses. The texts of errors are those of Mesos.
async fn prune_images(app: &Arc<AgentApp>, call: Call) -> Response {
    let images = Arc::clone(app.containers.images());
    let excluded = call.prune_images.map(|prune| prune.excluded_images).unwrap_or_default();
    let failed = |reason: String| respond::text(StatusCode::INTERNAL_SERVER_ERROR, reason);
    match tokio::task::spawn_blocking(move || images.prune(&excluded)).await {
        Ok(Ok(_)) => empty(StatusCode::OK),
        Ok(Err(error @ PruneError::Excluded(_))) => bad_request(error.to_string()),
        Ok(Err(PruneError::Store(provisioner::Error::Busy))) => {
            failed("Cannot prune and pull at the same time".to_owned())
        }
        Ok(Err(error)) => failed(format!("Failed to prune images: {}", model::with_sources(&error))),
        Err(error) => failed(format!("Failed to prune images: {error}")),
    }
}

fn set_logging_level(app: &Arc<AgentApp>, call: Call) -> Response {
    if let Some(wanted) = call.set_logging_level {
        let duration = u64::try_from(wanted.duration.nanoseconds).unwrap_or_default();
        app.common.logging.set(wanted.level, Duration::from_nanos(duration));
    }
    empty(StatusCode::OK)
}
