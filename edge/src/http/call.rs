//! The checks that all call APIs have in common, with the order and the texts of Mesos.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use messages::schema::HasDescriptor;
use model::StreamId;
use wire::{ContentType, Limits};

use super::request::Request;
use super::respond::{Response, bad_request, respond, text};

/// The header that names the event stream that a call belongs to.
pub const STREAM_ID: HeaderName = HeaderName::from_static("mesos-stream-id");

/// Decodes the call in the body according to its `Content-Type`. The caller validates the content of the call.
///
/// # Errors
/// Returns 400 or 415 with the text of Mesos.
pub fn decode<C: HasDescriptor>(request: &Request) -> Result<C, Response> {
    let Some(content_type) = request.header(header::CONTENT_TYPE) else {
        return Err(bad_request("Expecting 'Content-Type' to be present"));
    };
    let Some(content_type) = ContentType::from_header(content_type) else {
        let expected = "Expecting 'Content-Type' of application/json or application/x-protobuf";
        return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, expected));
    };
    wire::decode_as(content_type, &request.body, &Limits::default()).map_err(|error| bad_request(error.to_string()))
}

/// Returns the encoding that the `Accept` header asks for.
///
/// # Errors
/// Returns 406 with the text of Mesos.
pub fn negotiate(request: &Request) -> Result<ContentType, Response> {
    wire::accept::negotiate(request.header(header::ACCEPT)).ok_or_else(|| {
        let expected = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'";
        text(StatusCode::NOT_ACCEPTABLE, expected)
    })
}

/// Returns the value of the `Mesos-Stream-Id` header, or its text as the error if it is not an id.
pub fn stream_id(request: &Request) -> Option<Result<StreamId, String>> {
    let value = request.header(STREAM_ID)?;
    Some(value.parse().map(StreamId).map_err(|_| value.to_owned()))
}

/// Returns the value of the `Content-Type` header for an encoding.
pub fn content_type(content_type: ContentType) -> HeaderValue {
    HeaderValue::from_static(content_type.as_str())
}

/// Returns a 200 response with a message in this encoding.
pub fn encoded<M: HasDescriptor>(encoding: ContentType, message: &M) -> Response {
    let body = Bytes::from(wire::encode_as(encoding, message));
    respond(StatusCode::OK, &[(header::CONTENT_TYPE, content_type(encoding))], body)
}
