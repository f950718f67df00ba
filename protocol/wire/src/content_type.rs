//! The two encodings of every API message, and bodies decoded by their `Content-Type`.

use messages::schema::HasDescriptor;

use crate::json::{self, JsonError};
use crate::{DecodeError, Limits, decode, encode};

/// The encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentType {
    /// Mesos JSON.
    Json,
    /// Protobuf.
    Protobuf,
}

impl ContentType {
    /// Returns the media type as Mesos writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ContentType::Json => "application/json",
            ContentType::Protobuf => "application/x-protobuf",
        }
    }

    /// Reads a `Content-Type` header; `None` for any other value. Mesos compares exactly: another case or a `charset`
    /// parameter leads to a 415.
    pub fn from_header(value: &str) -> Option<Self> {
        [ContentType::Json, ContentType::Protobuf].into_iter().find(|t| t.as_str() == value)
    }
}

/// The reason for which a request body is not a `Call`, worded as the body of Mesos' 400 answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum BodyError {
    #[error("Failed to parse body into Call protobuf")]
    Protobuf(#[source] DecodeError),
    #[error("Failed to parse body into JSON: {0}")]
    NotJson(String),
    #[error("Failed to convert JSON into Call protobuf: {0}")]
    NotConvertible(String),
}

impl From<JsonError> for BodyError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::NotJson(reason) => BodyError::NotJson(reason),
            JsonError::NotConvertible(reason) => BodyError::NotConvertible(reason),
        }
    }
}

/// Decodes the body of a `Call` request.
///
/// # Errors
///
/// Returns an error if the body is not a complete message of this type within the limits.
pub fn decode_as<T: HasDescriptor>(content_type: ContentType, body: &[u8], limits: &Limits) -> Result<T, BodyError> {
    match content_type {
        ContentType::Json => Ok(json::decode(body, limits)?),
        ContentType::Protobuf => decode(body, limits).map_err(BodyError::Protobuf),
    }
}

/// Encodes a message in this encoding.
pub fn encode_as<T: HasDescriptor>(content_type: ContentType, message: &T) -> Vec<u8> {
    match content_type {
        ContentType::Json => json::encode(message),
        ContentType::Protobuf => encode(message),
    }
}
