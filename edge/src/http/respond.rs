//! Responses in the form of libprocess: errors as plain text, JSON with `?jsonp=`, and compression on request.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderName, HeaderValue, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use machine::CallResponse;
use model::visible;

use crate::limits::GZIP_MINIMUM;

/// An HTTP response.
pub type Response = http::Response<ResponseBody>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript");

/// The body of a response.
pub enum ResponseBody {
    /// The complete body.
    Whole(Bytes),
    /// Pieces that are produced when the connection has room for them.
    Stream(BoxBody),
}

impl ResponseBody {
    /// Makes a body that is sent while it is produced.
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        ResponseBody::Stream(Box::pin(http_body_util::BodyExt::map_err(body, Into::into)))
    }

    /// Returns the length of a whole body in bytes; zero for a stream, whose length is unknown.
    pub fn known_length(&self) -> usize {
        match self {
            ResponseBody::Whole(bytes) => bytes.len(),
            ResponseBody::Stream(_) => 0,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            ResponseBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            ResponseBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            ResponseBody::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ResponseBody::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ResponseBody::Stream(_) => SizeHint::default(),
        }
    }
}

impl From<Infallible> for ResponseBody {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Returns a response with these headers and this body.
pub fn respond(status: StatusCode, headers: &[(HeaderName, HeaderValue)], body: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(ResponseBody::Whole(body.into()));
    *response.status_mut() = status;
    for (name, value) in headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// Returns a response in plain text. Characters that control a terminal are escaped, since such responses repeat names
/// and ids that others have chosen; line breaks are kept.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    respond(status, &[(header::CONTENT_TYPE, TEXT)], visible_lines(body.into()))
}

fn visible_lines(body: Bytes) -> Bytes {
    let Ok(text) = str::from_utf8(&body) else { return body };
    let lines: Vec<_> = text.split('\n').map(visible).collect();
    if lines.iter().all(|line| matches!(line, Cow::Borrowed(_))) {
        return body;
    }
    lines.join("\n").into()
}

/// Forbids browsers to guess the type of a response: text that contains markup is not a page.
pub fn without_sniffing(mut response: Response) -> Response {
    if response.headers().contains_key(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// Returns a status without a body and without a type, as `OK()` and `Accepted()` of libprocess do.
pub fn empty(status: StatusCode) -> Response {
    respond(status, &[], Bytes::new())
}

/// Returns 400 with a reason.
pub fn bad_request(body: impl Into<Bytes>) -> Response {
    text(StatusCode::BAD_REQUEST, body)
}

/// Returns the 404 of libprocess for a route that does not exist.
pub fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 Not Found.")
}

/// Returns 501 with the text of libprocess.
pub fn not_implemented() -> Response {
    text(StatusCode::NOT_IMPLEMENTED, "501 Not Implemented.")
}

/// Returns 503 with a reason.
pub fn unavailable(body: impl Into<Bytes>) -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, body)
}

/// Returns 405 with the text of libprocess.
pub fn method_not_allowed(allowed: &[&'static str], received: &http::Method) -> Response {
    let expected = allowed.iter().map(|method| format!("'{method}'")).collect::<Vec<_>>().join(", ");
    let body = format!("405 Method Not Allowed. Expecting one of {{ {expected} }}, but received '{received}'.");
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, body);
    if let Ok(allow) = HeaderValue::from_str(&allowed.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Returns 413 for a body above `max_bytes`, after which the connection ends.
pub fn too_large(max_bytes: usize) -> Response {
    closing(text(StatusCode::PAYLOAD_TOO_LARGE, format!("A body may have {max_bytes} bytes here")))
}

/// Makes the connection end after the response, because the rest of the request cannot be skipped.
pub fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Returns 307 to another location.
pub fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => respond(StatusCode::TEMPORARY_REDIRECT, &[(header::LOCATION, location)], Bytes::new()),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "The leader's address is no URL"),
    }
}

/// Returns JSON, or a script that calls `jsonp` with it.
pub fn json(body: impl Into<Bytes>, jsonp: Option<&str>) -> Response {
    match jsonp {
        None => respond(StatusCode::OK, &[(header::CONTENT_TYPE, JSON)], body),
        Some(callback) => {
            let body: Bytes = body.into();
            let mut script = Vec::with_capacity(body.len() + callback.len() + 2);
            script.extend_from_slice(callback.as_bytes());
            script.push(b'(');
            script.extend_from_slice(&body);
            script.push(b')');
            respond(StatusCode::OK, &[(header::CONTENT_TYPE, JAVASCRIPT)], script)
        }
    }
}

/// Returns the response of a core.
pub fn answer(answer: CallResponse) -> Response {
    let status = StatusCode::from_u16(answer.status as u16).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if answer.body.is_empty() && status.is_success() { empty(status) } else { text(status, answer.body) }
}

/// Compresses a body from [`GZIP_MINIMUM`] bytes on if the client accepts it.
pub async fn compress(accepted: Option<&HeaderValue>, mut response: Response) -> Response {
    let ResponseBody::Whole(body) = response.body() else { return response };
    if body.len() < GZIP_MINIMUM || !accepts_gzip(accepted) || response.headers().contains_key(header::CONTENT_ENCODING)
    {
        return response;
    }
    let body = body.clone();
    // The compression of a large state takes milliseconds, in which other connections of this thread would wait.
    let compressed = if body.len() < COMPRESS_INLINE {
        gzip(&body).ok()
    } else {
        tokio::task::spawn_blocking(move || gzip(&body)).await.ok().and_then(Result::ok)
    };
    if let Some(compressed) = compressed {
        *response.body_mut() = ResponseBody::Whole(compressed.into());
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

const COMPRESS_INLINE: usize = 64 * 1024;

/// Compresses at the fastest level: monitors poll large states over fast networks, and processor time is scarcer.
fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn accepts_gzip(accepted: Option<&HeaderValue>) -> bool {
    let Some(accepted) = accepted.and_then(|value| value.to_str().ok()) else { return false };
    accepted.split(',').any(|element| {
        let mut parts = element.split(';').map(str::trim);
        let named = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip") || coding == "*");
        let refused =
            parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse::<f64>().is_ok_and(|q| q <= 0.0)));
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_texts_are_escaped() {
        let check = |given: &'static str, expect: &str| {
            let response = bad_request(given);
            let ResponseBody::Whole(body) = response.body() else { panic!("a whole body") };
            assert_eq!(body, expect, "{given:?}");
        };
        check("", "");
        check("No help available for '/x'.\n", "No help available for '/x'.\n");
        check("unknown role '\x1b[2J\u{202e}x\r'\nand more\n", "unknown role '\\x1b[2J\\u{202e}x\\r'\nand more\n");
    }

    #[test]
    fn responses_with_a_type_forbid_sniffing() {
        let check = |response: Response, expect: Option<&str>| {
            let response = without_sniffing(response);
            let header = response.headers().get(header::X_CONTENT_TYPE_OPTIONS);
            assert_eq!(header.map(|value| value.to_str().unwrap()), expect);
        };
        check(bad_request("no"), Some("nosniff"));
        check(json("{}", None), Some("nosniff"));
        check(json("{}", Some("callback")), Some("nosniff"));
        check(empty(StatusCode::OK), None);
        check(redirect("//host:5050"), None);
    }
}
