//! From messages to bytes.

use messages::Message;
use messages::schema::Described;

use super::map_values::complete_map_values;

/// Encodes a message so that C++ peers accept it; `prost` alone does not always (see `map_values`).
pub fn encode<T: Described>(message: &T) -> Vec<u8> {
    complete_map_values(T::desc(), message.encode_to_vec())
}

/// Encodes the body of a libprocess message.
pub fn encode_message(message: &Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    match Message::desc_of(message.name()) {
        Ok(Some(desc)) => complete_map_values(desc, body),
        Ok(None) | Err(_) => body,
    }
}
