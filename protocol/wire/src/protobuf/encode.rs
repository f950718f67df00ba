//! Encoding of messages.

use messages::Message;
use messages::schema::HasDescriptor;

use super::map_values::complete_map_values;
use super::scan::put_bytes;

/// Encodes a message so that C++ peers accept it; `prost` alone does not always (see `map_values`).
pub fn encode<T: HasDescriptor>(message: &T) -> Vec<u8> {
    complete_map_values(T::desc(), message.encode_to_vec())
}

/// Encodes a message as [`encode`] does, with a list in addition: `field` of `message` is a message whose repeated
/// field `items` gets the elements that `each` lends to it, one at a time. The messages of a long list are therefore
/// not all in memory at once.
pub fn encode_with_list<T: HasDescriptor, I: HasDescriptor>(
    message: &T,
    field: u32,
    items: u32,
    each: impl FnOnce(&mut dyn FnMut(&I)),
) -> Vec<u8> {
    let mut list = Vec::new();
    each(&mut |item| prost::encoding::message::encode(items, item, &mut list));
    let mut bytes = message.encode_to_vec();
    bytes.reserve_exact(list.len() + 16);
    put_bytes(field, &list, &mut bytes);
    complete_map_values(T::desc(), bytes)
}

/// Encodes the body of a libprocess message.
pub fn encode_message(message: &Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    match Message::descriptor_of(message.name()) {
        Ok(Some(desc)) => complete_map_values(desc, body),
        Ok(None) | Err(_) => body,
    }
}
