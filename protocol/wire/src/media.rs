//! The media types of a call to an agent, whose bodies may be streams: `application/recordio` of JSON or protobuf.

use messages::v1::agent::call::Type;

use crate::ContentType;
use crate::accept::{RECORDIO, accepts, negotiate};

/// The four headers that decide, as the client sent them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MediaHeaders<'a> {
    pub content_type: Option<&'a str>,
    pub message_content_type: Option<&'a str>,
    pub accept: Option<&'a str>,
    pub message_accept: Option<&'a str>,
}

/// One message, or a stream of records with one message each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Single(ContentType),
    Stream(ContentType),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaTypes {
    /// Of the request.
    pub content: Media,
    /// Of the response.
    pub accept: Media,
}

/// Prints as the body of Mesos' answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    #[error("Expecting 'Content-Type' to be present")]
    NoContentType,
    #[error("Expecting 'Content-Type' of application/json or application/x-protobuf or application/recordio")]
    UnknownContentType,
    #[error("Expecting 'Message-Content-Type' to be set for streaming requests")]
    NoMessageContentType,
    #[error("Expecting 'Message-Content-Type' of application/json or application/x-protobuf")]
    UnknownMessageContentType,
    #[error("Expecting 'Message-Content-Type' to be not set for non-streaming requests")]
    UnexpectedMessageContentType,
    #[error("Expecting 'Accept' to allow application/json or application/x-protobuf or application/recordio")]
    NotAcceptable,
    #[error("Expecting 'Message-Accept' to allow application/json or application/x-protobuf")]
    MessageNotAcceptable,
    #[error("Expecting 'Message-Accept' to be not set for non-streaming responses")]
    UnexpectedMessageAccept,
    #[error("Streaming 'Content-Type' application/recordio is not supported for {} call", .0.as_str_name())]
    NoStreamingRequest(Type),
    #[error("Expecting 'Content-Type' to be application/recordio for {} call", .0.as_str_name())]
    OnlyStreamingRequest(Type),
    #[error("Streaming response is not supported for {} call", .0.as_str_name())]
    NoStreamingResponse(Type),
}

impl MediaError {
    pub fn status(self) -> u16 {
        use MediaError::*;
        match self {
            NoContentType | NoMessageContentType => 400,
            NotAcceptable | MessageNotAcceptable | UnexpectedMessageAccept | NoStreamingResponse(_) => 406,
            UnknownContentType
            | UnknownMessageContentType
            | UnexpectedMessageContentType
            | NoStreamingRequest(_)
            | OnlyStreamingRequest(_) => 415,
        }
    }
}

impl MediaTypes {
    /// What the headers ask for, before the call is known.
    pub fn of(headers: MediaHeaders<'_>) -> Result<Self, MediaError> {
        Ok(MediaTypes { content: content(headers)?, accept: acceptable(headers)? })
    }

    /// Whether the call allows it.
    pub fn check(self, call: Type) -> Result<(), MediaError> {
        match (self.content, call) {
            (Media::Stream(_), Type::AttachContainerInput) => {}
            (Media::Stream(_), _) => return Err(MediaError::NoStreamingRequest(call)),
            (Media::Single(_), Type::AttachContainerInput) => return Err(MediaError::OnlyStreamingRequest(call)),
            (Media::Single(_), _) => {}
        }
        match (self.accept, call) {
            (Media::Single(_), _) | (_, Type::AttachContainerOutput | Type::LaunchNestedContainerSession) => Ok(()),
            (Media::Stream(_), _) => Err(MediaError::NoStreamingResponse(call)),
        }
    }
}

fn content(headers: MediaHeaders<'_>) -> Result<Media, MediaError> {
    let content_type = headers.content_type.ok_or(MediaError::NoContentType)?;
    if content_type == RECORDIO {
        let message = headers.message_content_type.ok_or(MediaError::NoMessageContentType)?;
        let message = ContentType::from_header(message).ok_or(MediaError::UnknownMessageContentType)?;
        return Ok(Media::Stream(message));
    }
    let single = ContentType::from_header(content_type).ok_or(MediaError::UnknownContentType)?;
    match headers.message_content_type {
        Some(_) => Err(MediaError::UnexpectedMessageContentType),
        None => Ok(Media::Single(single)),
    }
}

/// RecordIO is taken only by who accepts neither JSON nor protobuf: `*/*` is JSON.
fn acceptable(headers: MediaHeaders<'_>) -> Result<Media, MediaError> {
    match negotiate(headers.accept) {
        Some(_) if headers.message_accept.is_some() => Err(MediaError::UnexpectedMessageAccept),
        Some(single) => Ok(Media::Single(single)),
        None if accepts(headers.accept, RECORDIO) => {
            negotiate(headers.message_accept).map(Media::Stream).ok_or(MediaError::MessageNotAcceptable)
        }
        None => Err(MediaError::NotAcceptable),
    }
}
