//! HTTP/1.1 connections, by hyper.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;
use wire::libprocess::Received;

use super::app::App;
use super::connection::Connection;
use super::io::Io;
use super::limits::{MAX_BODIES_KIB, MAX_BODY, MAX_HEAD, MAX_HEADERS};
use super::message::{Receipt, receive};
use super::request::{Request, parse_query};
use super::respond::{Response, bad_request, compress, empty, not_found, text, unavailable};

const LIBPROCESS_FROM: HeaderName = HeaderName::from_static("libprocess-from");

/// The memory that request bodies may take, over all connections.
#[derive(Clone)]
pub struct Bodies(Arc<Semaphore>);

impl Bodies {
    pub fn new() -> Self {
        Bodies(Arc::new(Semaphore::new(MAX_BODIES_KIB)))
    }

    /// Waits for as much as the body may need: what it declares, or the maximum. Small bodies are free.
    async fn reserve(&self, body: &Incoming) -> Option<OwnedSemaphorePermit> {
        const FREE: u64 = 64 * 1024;
        let size = body.size_hint().upper().unwrap_or(MAX_BODY as u64).min(MAX_BODY as u64);
        if size <= FREE {
            return None;
        }
        self.0.clone().acquire_many_owned((size / 1024) as u32).await.ok()
    }
}

/// Serves a connection to its end.
pub async fn serve<A: App>(connection: Connection, app: Arc<A>, bodies: Bodies, already_read: Bytes) {
    let io = TokioIo::new(Io::new(connection.clone(), already_read));
    let service = service_fn(|request| {
        let (connection, app, bodies) = (connection.clone(), app.clone(), bodies.clone());
        async move { Ok::<_, Infallible>(answer(request, connection, app, bodies).await) }
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
    bodies: Bodies,
) -> Response {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > MAX_BODY as u64 {
        return too_large();
    }
    let _reserved = bodies.reserve(&body).await;
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return too_large();
        }
        Err(error) => return closing(bad_request(format!("Failed to read the body: {error}"))),
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
    let head_only = head.method == Method::HEAD;
    let accepts = head.headers.get(header::ACCEPT_ENCODING).cloned();
    let request = Request { method: head.method, path, query, headers: head.headers, body, connection };
    let response = app.handle(request).await;
    if head_only { response } else { compress(accepts.as_ref(), response).await }
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
    let mut mail = Vec::new();
    let receipt = receive(app, Received { from, to, name, body }, &mut mail);
    if let Err(stopped) = app.inbox().send_all(&mut mail).await {
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
