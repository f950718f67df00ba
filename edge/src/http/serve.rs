//! Serves HTTP/1.1 connections with hyper, and finds the handler of each request.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::Caller;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::debug;
use wire::libprocess::Received;

use super::body::{BodyStream, collect};
use super::endpoint::{Endpoint, Handler, Methods, ResponseContent};
use super::request::{Request, check_callback, parse_query};
use super::respond::{
    Response, bad_request, compress, empty, method_not_allowed, not_found, unavailable, without_sniffing,
};
use crate::app::App;
use crate::connections::budget::Share;
use crate::connections::connection::{Connection, Phase};
use crate::connections::io::Io;
use crate::connections::listener::{Service, stopped};
use crate::core_thread::InboxBatch;
use crate::libprocess::message::Receipt;
use crate::limits::{MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_IGNORED_BODY, SHUTDOWN_FLUSH_TIMEOUT};

const LIBPROCESS_FROM: HeaderName = HeaderName::from_static("libprocess-from");

/// Serves a connection to its end. After `stop` turns true, the current request is the last.
pub async fn serve<A: App>(
    connection: Connection,
    service: Arc<Service<A>>,
    already_read: Bytes,
    mut stop: watch::Receiver<bool>,
) {
    let io = TokioIo::new(Io::new(connection.clone(), already_read));
    let answers = service_fn(|request| {
        let (connection, service) = (connection.clone(), service.clone());
        async move { Ok::<_, Infallible>(without_sniffing(answer(request, connection, service).await)) }
    });
    let served = http1::Builder::new()
        // A client may close its side after the request and still read the response.
        .half_close(true)
        // Some clients compare the names of headers by case.
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(io, answers);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            match timeout(SHUTDOWN_FLUSH_TIMEOUT, served).await {
                Ok(ended) => ended,
                Err(_) => return debug!(peer = %connection.peer(), "HTTP connection cut off"),
            }
        }
    };
    if let Err(error) = ended {
        debug!(peer = %connection.peer(), %error, "HTTP connection ended");
    }
}

async fn answer<A: App>(
    request: hyper::Request<Incoming>,
    connection: Connection,
    service: Arc<Service<A>>,
) -> Response {
    let (head, mut incoming) = request.into_parts();
    let path = head.uri.path().to_owned();
    let text_of = |name: &HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (agent, from) = (text_of(&header::USER_AGENT), text_of(&LIBPROCESS_FROM));
    let is_message = wire::libprocess::is_message(head.method.as_str(), agent, from);
    let endpoint = if is_message { None } else { service.app.endpoints().resolve(&path) };
    // The share is held until the response is ready, because what the handler makes of the body needs memory, too.
    let mut share = service.budget.share();
    let max_body = match endpoint {
        Some(endpoint) => endpoint.max_body,
        None if is_message => MAX_BODY,
        None => MAX_IGNORED_BODY,
    };
    let body = match endpoint {
        Some(Endpoint { handler: Handler::Stream(_), .. }) => None,
        _ => match collect(&mut incoming, &mut share, max_body).await {
            Ok(body) => {
                connection.set_phase(Phase::BetweenRequests);
                Some(body)
            }
            Err(refusal) => return refusal,
        },
    };
    if is_message {
        return message(&service, &connection, agent, from, &path, body.unwrap_or_default()).await;
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
        body: body.unwrap_or_default(),
        caller: Caller::default(),
        connection: connection.clone(),
    };
    let response = match endpoint {
        Some(endpoint) => dispatch(&service.app, endpoint, request, incoming, share).await,
        None => not_found(),
    };
    if head_only {
        return response;
    }
    let response = compress(accepts.as_ref(), response).await;
    connection.response_started(response.body().known_length());
    response
}

/// Applies the row of an endpoint in the order of Mesos: availability, then the method, then the handler.
async fn dispatch<A: App>(
    app: &Arc<A>,
    endpoint: &'static Endpoint<A::Shared>,
    request: Request,
    incoming: Incoming,
    share: Share,
) -> Response {
    let shared = match app.shared(endpoint, &request) {
        Ok(shared) => shared,
        Err(answer) => return answer,
    };
    if let Methods::Only(methods) = endpoint.methods
        && !endpoint.takes(&request.method)
    {
        return method_not_allowed(methods, &request.method);
    }
    let scripts = matches!(endpoint.response, ResponseContent::Json | ResponseContent::JsonOrLines);
    if let (true, Err(error)) = (scripts, check_callback(&request.query)) {
        return bad_request(error.to_string());
    }
    match endpoint.handler {
        Handler::Whole(handler) => {
            let answer = handler(shared, request).await;
            drop(share);
            answer
        }
        Handler::Stream(handler) => {
            let stream = BodyStream::new(incoming, request.connection.clone(), share, endpoint.max_body);
            handler(shared, request, stream).await
        }
    }
}

/// Answers a libprocess message on a connection that began with HTTP.
async fn message<A: App>(
    service: &Service<A>,
    connection: &Connection,
    agent: Option<&str>,
    from: Option<&str>,
    path: &str,
    body: Bytes,
) -> Response {
    let (to, name) = match wire::libprocess::parse_path(path) {
        Ok(parts) => parts,
        Err(error) => return bad_request(error.to_string()),
    };
    let from = match wire::libprocess::sender(agent, from) {
        Ok(from) => from,
        Err(error) => return bad_request(error.to_string()),
    };
    let mut batch = InboxBatch::default();
    let receipt = service.receive(Received { from, to, name, body }, connection, &mut batch);
    if let Some(inbox) = service.app.inbox()
        && let Err(stopped) = inbox.send_all(&mut batch).await
    {
        return unavailable(stopped.to_string());
    }
    match receipt {
        Receipt::Accepted => empty(StatusCode::ACCEPTED),
        Receipt::NoSuchProcess => not_found(),
        Receipt::Refused(wrong) => bad_request(wrong.to_string()),
    }
}
