//! The media types of a call to the agent's operator API, which may stream either way: Mesos' checks, in its order and
//! with its texts.

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use messages::v1::agent::call::Type;
use wire::ContentType;
use wire::recordio::Decoder;

use edge::http::request::Request;
use edge::http::respond::{Response, bad_request, method_not_allowed, text};
use edge::limits::MAX_BODY;

const RECORDIO: &str = "application/recordio";
const MESSAGE_CONTENT_TYPE: HeaderName = HeaderName::from_static("message-content-type");
const MESSAGE_ACCEPT: HeaderName = HeaderName::from_static("message-accept");

/// How the messages of a body come, and in which encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Single(ContentType),
    Records(ContentType),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaTypes {
    pub content: Framing,
    pub accept: Framing,
}

impl MediaTypes {
    pub fn of(request: &Request) -> Result<MediaTypes, Response> {
        if request.method != Method::POST {
            return Err(method_not_allowed(&["POST"], &request.method));
        }
        Ok(MediaTypes { content: content(request)?, accept: accept(request)? })
    }

    /// The encoded call: the body, or its first record.
    pub fn call(&self, body: &Bytes) -> Result<(ContentType, Bytes), Response> {
        match self.content {
            Framing::Single(encoding) => Ok((encoding, body.clone())),
            Framing::Records(encoding) => {
                let mut decoder = Decoder::new(MAX_BODY);
                let pushed = decoder.push(body);
                match (decoder.next_record(), pushed) {
                    (Some(first), _) => Ok((encoding, first.into())),
                    (None, Ok(())) => Err(bad_request("Received EOF while reading request body")),
                    (None, Err(error)) => Err(bad_request(format!("Failed to decode the request body: {error}"))),
                }
            }
        }
    }

    /// Few calls stream, and one must.
    pub fn check_call(&self, kind: Type) -> Result<(), Response> {
        let name = kind.as_str_name();
        let unsupported = |reason| Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
        match (self.content, kind) {
            (Framing::Records(_), Type::AttachContainerInput) => {}
            (Framing::Records(_), _) => {
                return unsupported(format!("Streaming 'Content-Type' {RECORDIO} is not supported for {name} call"));
            }
            (Framing::Single(_), Type::AttachContainerInput) => {
                return unsupported(format!("Expecting 'Content-Type' to be {RECORDIO} for {name} call"));
            }
            (Framing::Single(_), _) => {}
        }
        match (self.accept, kind) {
            (Framing::Single(_), _)
            | (Framing::Records(_), Type::AttachContainerOutput | Type::LaunchNestedContainerSession) => Ok(()),
            (Framing::Records(_), _) => {
                Err(not_acceptable(format!("Streaming response is not supported for {name} call")))
            }
        }
    }
}

fn content(request: &Request) -> Result<Framing, Response> {
    let unsupported = |reason| Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    let Some(content_type) = request.header(header::CONTENT_TYPE) else {
        return Err(bad_request("Expecting 'Content-Type' to be present"));
    };
    let of_messages = request.header(MESSAGE_CONTENT_TYPE);
    match (ContentType::from_header(content_type), of_messages) {
        (Some(encoding), None) => Ok(Framing::Single(encoding)),
        (Some(_), Some(_)) => unsupported("Expecting 'Message-Content-Type' to be not set for non-streaming requests"),
        (None, None) if content_type == RECORDIO => {
            Err(bad_request("Expecting 'Message-Content-Type' to be set for streaming requests"))
        }
        (None, Some(of_messages)) if content_type == RECORDIO => match ContentType::from_header(of_messages) {
            Some(encoding) => Ok(Framing::Records(encoding)),
            None => unsupported("Expecting 'Message-Content-Type' of application/json or application/x-protobuf"),
        },
        _ => unsupported(
            "Expecting 'Content-Type' of application/json or application/x-protobuf or application/recordio",
        ),
    }
}

/// Records only for who accepts nothing else.
fn accept(request: &Request) -> Result<Framing, Response> {
    let (accept, of_messages) = (request.header(header::ACCEPT), request.header(MESSAGE_ACCEPT));
    if let Some(encoding) = wire::accept::negotiate(accept) {
        return match of_messages {
            None => Ok(Framing::Single(encoding)),
            Some(_) => Err(not_acceptable("Expecting 'Message-Accept' to be not set for non-streaming responses")),
        };
    }
    if !wire::accept::accepts(accept, RECORDIO) {
        return Err(not_acceptable(
            "Expecting 'Accept' to allow application/json or application/x-protobuf or application/recordio",
        ));
    }
    wire::accept::negotiate(of_messages)
        .map(Framing::Records)
        .ok_or_else(|| not_acceptable("Expecting 'Message-Accept' to allow application/json or application/x-protobuf"))
}

fn not_acceptable(reason: impl Into<Bytes>) -> Response {
    text(StatusCode::NOT_ACCEPTABLE, reason)
}
