//! Sends one HTTP/1.1 request at a time, and follows the redirects of Mesos masters.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::address::Address;
use crate::error::Error;

/// The time for a connection. A master that does not accept within it counts as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum of redirects. A follower redirects to the leader; more than one happens only during an election.
const MAX_REDIRECTS: usize = 4;
/// The maximum size of a response body in bytes, above `/state` of a very large cluster.
pub(crate) const MAX_BODY: usize = 1 << 30;

/// Returns the limits on messages of a cluster, whose number of agents and tasks is not restricted.
pub(crate) fn limits(max_bytes: usize) -> wire::Limits {
    wire::Limits { max_bytes, max_elements: max_bytes, ..wire::Limits::default() }
}

/// A request that can be sent again to another master.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The method.
    pub method: http::Method,
    /// The path with its query.
    pub path: String,
    /// The headers besides `Host`.
    pub headers: Vec<(header::HeaderName, String)>,
    /// The body; empty for GET.
    pub body: Bytes,
}

impl Call {
    /// Makes a GET request.
    pub fn get(path: impl Into<String>) -> Self {
        Call { method: http::Method::GET, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Makes a POST request whose response has the type of its body.
    pub fn post(path: impl Into<String>, content_type: wire::ContentType, body: Vec<u8>) -> Self {
        let content_type = content_type.as_str().to_owned();
        Call {
            method: http::Method::POST,
            path: path.into(),
            headers: vec![(header::CONTENT_TYPE, content_type.clone()), (header::ACCEPT, content_type)],
            body: body.into(),
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the HTTP request for the peer at `address`.
    ///
    /// # Errors
    /// Returns [`Error::Request`] if the path or a header is invalid.
    pub fn request(&self, address: &Address) -> Result<Request<Full<Bytes>>, Error> {
        let mut request =
            Request::builder().method(self.method.clone()).uri(&self.path).header(header::HOST, address.to_string());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone())).map_err(|e| Error::Request(address.clone(), e))
    }
}

/// Sends a call and returns the first response that is not a redirect, with the address that sent it.
pub(crate) async fn send(start: &Address, call: &Call) -> Result<(Address, Response<Incoming>), Error> {
    let mut address = start.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = send_once(&address, call).await?;
        if response.status() != StatusCode::TEMPORARY_REDIRECT {
            return Ok((address, response));
        }
        let location = response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default();
        address = location.parse().map_err(|_| Error::Protocol {
            address: address.clone(),
            reason: format!("it redirects to '{location}', which is not an address"),
        })?;
    }
    Err(Error::Redirects(start.clone()))
}

async fn send_once(address: &Address, call: &Call) -> Result<Response<Incoming>, Error> {
    let mut sender = connect(address).await?;
    let broke = |source| Error::Transport { address: address.clone(), source };
    sender.send_request(call.request(address)?).await.map_err(broke)
}

pub(crate) async fn connect(address: &Address) -> Result<http1::SendRequest<Full<Bytes>>, Error> {
    connect_with_body(address).await
}

/// Connects for requests whose bodies are of this type.
pub(crate) async fn connect_with_body<B>(address: &Address) -> Result<http1::SendRequest<B>, Error>
where
    B: Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
{
    let connect = TcpStream::connect((address.host.as_str(), address.port));
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect)
        .await
        .map_err(|_| Error::Timeout(address.clone()))?
        .map_err(|source| Error::Connect { address: address.clone(), source })?;
    // Calls are small, and latency matters more than the number of packets. Without the option only latency suffers.
    let _ = stream.set_nodelay(true);
    let broke = |source| Error::Transport { address: address.clone(), source };
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Returns the whole body of a successful response. Any other status is an [`Error::Status`].
pub(crate) async fn body_of(address: &Address, response: Response<Incoming>) -> Result<Bytes, Error> {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(|error| Error::Protocol {
        address: address.clone(),
        reason: format!("its response could not be read: {error}"),
    })?;
    let body = body.to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Err(Error::Status { address: address.clone(), status: status.as_u16(), body })
}
