//! The media types of a call to the agent's operator API, whose request and response may be streams. Checks, their
//! order and their texts are those of Mesos.

use bytes::Bytes;
use http::{HeaderName, StatusCode, header};
use messages::v1::agent::call::Type;
use wire::ContentType;
use wire::accept::RECORDIO;

use edge::http::body::BodyStream;
use edge::http::request::Request;
use edge::http::respond::{Response, bad_request, text};

/// The header that names the encoding of the records of a stream.
pub const MESSAGE_CONTENT_TYPE: HeaderName = HeaderName::from_static("message-content-type");
const MESSAGE_ACCEPT: HeaderName = HeaderName::from_static("message-accept");

/// The framing and encoding of the messages of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The body is one message.
    Single(ContentType),
    /// The body is a stream of RecordIO messages.
    Records(ContentType),
}

/// The framing of a request and of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaTypes {
    /// The framing of the request, from `Content-Type`.
    pub content: Framing,
    /// The framing of the response, from `Accept`.
    pub accept: Framing,
}

impl MediaTypes {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// Returns 400, 406 or 415 with the text of Mesos.
    pub fn of(request: &Request) -> Result<MediaTypes, Response> {
        Ok(MediaTypes { content: content(request)?, accept: accept(request)? })
    }

    /// Receives the encoded call: the whole body, or its first record. Further records stay in the body.
    ///
    /// # Errors
    /// Returns the response that refuses a body that ends early, is too large, or is not RecordIO.
    pub async fn call(&self, body: &mut BodyStream) -> Result<(ContentType, Bytes), Response> {
        match self.content {
            Framing::Single(encoding) => Ok((encoding, body.whole().await?)),
            Framing::Records(encoding) => match body.next_record().await {
                Ok(Some(first)) => Ok((encoding, first)),
                Ok(None) => Err(bad_request("Received EOF while reading request body")),
                Err(error) => Err(bad_request(error.to_string())),
            },
        }
    }

    /// Checks that the call supports the framing. Few calls stream, and ATTACH_CONTAINER_INPUT has to.
    ///
    /// # Errors
    /// Returns 406 or 415 with the text of Mesos.
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

/// Reads the `Accept` header. A client gets records only if it accepts nothing else.
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
