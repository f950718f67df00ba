//! Messages that are assembled from encoded fields.

use std::borrow::Cow;

use super::scan::{put_varint, varint_size};

/// A message as the list of its encoded fields. Cached fields are borrowed, and are copied once, into the buffer that
/// is sent.
///
/// The fields are written in the order in which they were added; protobuf leaves the order open. Values that are
/// messages come from [`encode`](crate::encode), so that C++ peers accept them.
#[derive(Debug, Clone, Default)]
pub struct MessageParts<'a> {
    parts: Vec<Part<'a>>,
    /// The size of all parts, in bytes.
    size: usize,
}

#[derive(Debug, Clone)]
enum Part<'a> {
    Varint(u32, u64),
    Fixed64(u32, u64),
    Bytes(u32, Cow<'a, [u8]>),
    Message(u32, MessageParts<'a>),
    /// Encoded fields, with their numbers.
    Fields(Cow<'a, [u8]>),
}

impl<'a> MessageParts<'a> {
    /// Returns a message without fields.
    pub fn new() -> Self {
        MessageParts::default()
    }

    /// Adds a field that is an unsigned number, a `bool`, or an enum or a signed number that is not negative.
    pub fn varint(&mut self, field: u32, value: u64) {
        self.add(Part::Varint(field, value));
    }

    /// Adds a field that is a `double`.
    pub fn double(&mut self, field: u32, value: f64) {
        self.add(Part::Fixed64(field, value.to_bits()));
    }

    /// Adds a field that is a string, bytes, or an encoded message.
    pub fn bytes(&mut self, field: u32, value: impl Into<Cow<'a, [u8]>>) {
        self.add(Part::Bytes(field, value.into()));
    }

    /// Adds a field that is a message, which may have no fields.
    pub fn message(&mut self, field: u32, value: MessageParts<'a>) {
        self.add(Part::Message(field, value));
    }

    /// Adds fields that were encoded together with their numbers.
    pub fn fields(&mut self, fields: impl Into<Cow<'a, [u8]>>) {
        self.add(Part::Fields(fields.into()));
    }

    /// Returns the size of the encoded message in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Encodes the message into a buffer of exactly its size.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size);
        self.append(&mut out);
        out
    }

    fn add(&mut self, part: Part<'a>) {
        self.size += part.size();
        self.parts.push(part);
    }

    fn append(&self, out: &mut Vec<u8>) {
        self.parts.iter().for_each(|part| part.append(out));
    }
}

impl Part<'_> {
    fn size(&self) -> usize {
        let delimited = |length: usize| varint_size(length as u64) + length;
        match self {
            Part::Varint(field, value) => varint_size(tag(*field, 0)) + varint_size(*value),
            Part::Fixed64(field, _) => varint_size(tag(*field, 1)) + 8,
            Part::Bytes(field, bytes) => varint_size(tag(*field, 2)) + delimited(bytes.len()),
            Part::Message(field, message) => varint_size(tag(*field, 2)) + delimited(message.size),
            Part::Fields(bytes) => bytes.len(),
        }
    }

    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Part::Varint(field, value) => {
                put_varint(tag(*field, 0), out);
                put_varint(*value, out);
            }
            Part::Fixed64(field, bits) => {
                put_varint(tag(*field, 1), out);
                out.extend_from_slice(&bits.to_le_bytes());
            }
            Part::Bytes(field, bytes) => {
                put_varint(tag(*field, 2), out);
                put_varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Part::Message(field, message) => {
                put_varint(tag(*field, 2), out);
                put_varint(message.size as u64, out);
                message.append(out);
            }
            Part::Fields(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn tag(field: u32, wire_type: u64) -> u64 {
    u64::from(field) << 3 | wire_type
}

#[cfg(test)]
mod tests {
    use messages::v1;
    use proptest::prelude::*;

    use super::*;
    use crate::encode;

    #[test]
    fn parts_are_encoded_as_the_message_that_they_make() {
        let id = v1::FrameworkId { value: "f".repeat(200) };
        let info = v1::FrameworkInfo {
            user: "u".to_owned(),
            name: String::new(),
            id: Some(id.clone()),
            failover_timeout: Some(-1.5),
            checkpoint: Some(true),
            ..v1::FrameworkInfo::default()
        };
        let mut of_id = MessageParts::new();
        of_id.bytes(1, id.value.as_bytes());
        let mut parts = MessageParts::new();
        parts.bytes(1, b"u".as_slice());
        parts.bytes(2, Vec::new());
        parts.message(3, of_id.clone());
        parts.double(4, -1.5);
        let mut checkpoint = MessageParts::new();
        checkpoint.varint(5, 1);
        parts.fields(checkpoint.encode());
        assert_eq!(parts.encode(), encode(&info));
        assert_eq!(of_id.encode(), encode(&id));
    }

    proptest! {
        #[test]
        fn sizes_are_exact(field in 1..(1u32 << 29), number: u64, bytes: Vec<u8>) {
            let mut inner = MessageParts::new();
            inner.varint(field, number);
            inner.double(field, number as f64);
            let mut parts = MessageParts::new();
            parts.bytes(field, bytes.as_slice());
            parts.message(field, inner);
            prop_assert_eq!(parts.encode().len(), parts.size());
        }
    }
}
