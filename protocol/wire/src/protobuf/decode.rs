//! Decoding of untrusted bytes: the check first, then `prost`.

use std::borrow::Cow;

use messages::Message;
use messages::schema::HasDescriptor;

use super::{DecodeError, check};
use crate::Limits;

/// Decodes a message from untrusted bytes.
///
/// The function does more than `prost`: sizes, depth and counts are bounded, `required` fields must be present at every
/// level, an enum value that this version does not know leaves its field unset, and a known field number with another
/// wire type is an unknown field (all as C++ protobuf treats proto2).
///
/// # Errors
///
/// Returns an error if the bytes are malformed, incomplete, or beyond the limits.
pub fn decode<T: HasDescriptor>(bytes: &[u8], limits: &Limits) -> Result<T, DecodeError> {
    let checked = check(T::desc(), bytes, limits)?;
    Ok(T::decode(&*checked)?)
}

/// Decodes the body of the libprocess message `name`. A v0 `mesos.scheduler.Call` is left to [`crate::v0`].
///
/// # Errors
///
/// Returns an error if the name is unknown, or the bytes are malformed, incomplete, or beyond the limits.
pub fn decode_message(name: &str, body: &[u8], limits: &Limits) -> Result<Message, DecodeError> {
    let checked = match Message::descriptor_of(name)? {
        Some(desc) => check(desc, body, limits)?,
        None if body.len() > limits.max_bytes => {
            return Err(DecodeError::TooLarge { size: body.len(), limit: limits.max_bytes });
        }
        None => Cow::Borrowed(body),
    };
    Ok(Message::decode(name, &checked)??)
}
