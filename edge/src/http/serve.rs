//! HTTP/1.1 connections, by hyper.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tracing::debug;
use wire::libprocess::Received;

use super::request::{Request, parse_query};
use super::respond::{Response, bad_request, compress, empty, not_found, text, unavailable};
use crate::app::App;
use crate::connections::budget::{Budget, Share};
use crate::connections::connection::Connection;
use crate::connections::io::Io;
use crate::libprocess::message::{Receipt, receive};
use crate::limits::{MAX_BODY, MAX_HEAD, MAX_HEADERS};

const LIBPROCESS_FROM: HeaderName = HeaderName::from_static("libprocess-from");

/// Serves a connection to its end.
pub async fn serve<A: App>(connection: Connection, app: Arc<A>, budget: Budget, already_read: Bytes) {
    let io = TokioIo::new(Io::new(connection.clone(), already_read));
    let service = service_fn(|request| {
        let (connection, app, budget) = (connection.clone(), app.clone(), budget.clone());
        async move { Ok::<_, Infallible>(answer(request, connection, app, budget).await) }
    });
    let served = http1::Builder::new()
        // Clients may close their side after the request, and still read the answer.
        .half_close(true)
        // Some clients compare header names by case.
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(io, service)
        .await;
    if let Err(error) = served {
        debug!(peer = %connection.peer(), %error, "HTTP connection ended");
    }
}

async fn answer<A: App>(
    request: hyper::Request<Incoming>,
    connection: Connection,
    app: Arc<A>,
    budget: Budget,
) -> Response {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > MAX_BODY as u64 {
        return too_large();
    }
    // Held until the answer is ready, since what is made of the body takes memory too.
    let mut share = budget.share();
    let body = match collect(body, &mut share).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    connection.request_complete();
    let path = head.uri.path().to_owned();
    let text_of = |name: &HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (agent, from) = (text_of(&header::USER_AGENT), text_of(&LIBPROCESS_FROM));
    if wire::libprocess::is_message(head.method.as_str(), agent, from) {
        return message(&*app, agent, from, &path, body).await;
    }
    if !path.starts_with('/') {
        return bad_request("Request URL path must start with '/'");
    }
    let query = match parse_query(head.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return bad_request(error.to_string()),
    };
    let target = head.uri.path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let head_only = head.method == Method::HEAD;
    let accepts = head.headers.get(header::ACCEPT_ENCODING).cloned();
    let request = Request {
        method: head.method,
        path,
        target,
        query,
        headers: head.headers,
        body,
        connection: connection.clone(),
    };
    let response = app.handle(request).await;
    if head_only {
        return response;
    }
    let response = compress(accepts.as_ref(), response).await;
    connection.response_started(response.body().known_length());
    response
}

/// The whole body, within the bounds.
async fn collect(mut body: Incoming, share: &mut Share) -> Result<Bytes, Response> {
    // Most bodies come in one piece, which is not copied.
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| closing(bad_request(format!("Failed to read the body: {error}"))))?;
        // Trailers are of no interest.
        let Ok(data) = frame.into_data() else { continue };
        let length = whole.len() + joined.len() + data.len();
        if length > MAX_BODY {
            return Err(too_large());
        }
        share.fit(length).map_err(|exhausted| closing(unavailable(exhausted.to_string())))?;
        if length == data.len() {
            whole = data;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() { whole } else { joined.freeze() })
}

/// A message on a connection that began with something else.
async fn message<A: App>(app: &A, agent: Option<&str>, from: Option<&str>, path: &str, body: Bytes) -> Response {
    let (to, name) = match wire::libprocess::parse_path(path) {
        Ok(parts) => parts,
        Err(error) => return bad_request(error.to_string()),
    };
    let from = match wire::libprocess::sender(agent, from) {
        Ok(from) => from,
        Err(error) => return bad_request(error.to_string()),
    };
    let mut items = Vec::new();
    let receipt = receive(app, Received { from, to, name, body }, &mut items);
    if let Some(inbox) = app.inbox()
        && let Err(stopped) = inbox.send_all(&mut items).await
    {
        return unavailable(stopped.to_string());
    }
    match receipt {
        Receipt::Accepted => empty(StatusCode::ACCEPTED),
        Receipt::NoSuchProcess => not_found(),
    }
}

fn too_large() -> Response {
    closing(text(StatusCode::PAYLOAD_TOO_LARGE, format!("A body may have {MAX_BODY} bytes")))
}

/// What is left of the request cannot be skipped.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
