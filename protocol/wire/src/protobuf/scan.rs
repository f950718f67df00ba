//! The fields of one encoded message, read one after the other without their schema, and what the schema says about
//! each of them.

use messages::schema::{EnumDescriptor, FieldDescriptor, Kind, Label, MessageDescriptor};

use super::DecodeError;

/// The descriptor of `google.protobuf.Duration`, which has no generated table.
pub(crate) static DURATION: MessageDescriptor = MessageDescriptor {
    name: "google.protobuf.Duration",
    size: 16,
    has_maps_of_messages: false,
    fields: &[
        FieldDescriptor {
            number: 1,
            name: "seconds",
            kind: Kind::Int64,
            label: Label::Optional,
            default: None,
            deprecated: false,
        },
        FieldDescriptor {
            number: 2,
            name: "nanos",
            kind: Kind::Int32,
            label: Label::Optional,
            default: None,
            deprecated: false,
        },
    ],
};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Payload<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub number: u32,
    pub payload: Payload<'a>,
}

/// Reads fields from the front of the bytes it holds.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    pub rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Fields { rest: bytes }
    }

    /// Returns the next field; `None` at the end of the message.
    ///
    /// # Errors
    /// Returns how the bytes are malformed.
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| DecodeError::Malformed("a field number is too large"))?;
        let number = tag >> 3;
        if number == 0 {
            return Err(DecodeError::Malformed("a field number is zero"));
        }
        let payload = match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(self.fixed()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)?;
                Payload::Bytes(self.take(length)?)
            }
            5 => Payload::Fixed32(self.fixed()?),
            3 | 4 => return Err(DecodeError::Malformed("groups are not used by any Mesos message")),
            _ => return Err(DecodeError::Malformed("unknown wire type")),
        };
        Ok(Some(Field { number, payload }))
    }

    /// Reads a varint.
    ///
    /// # Errors
    /// Returns an error if the varint is truncated or longer than ten bytes.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { DecodeError::Truncated } else { DecodeError::Malformed("a varint is too long") })
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// The interpretation of an encoded field by the schema.
pub(crate) enum FieldClass<'a> {
    /// A scalar (or an unpacked element) of the field's kind.
    Scalar,
    /// Elements of a repeated scalar in one length-delimited payload.
    Packed(&'a [u8]),
    /// A message, or the entry of a map.
    Nested(&'static MessageDescriptor, &'a [u8]),
    /// The field is to be read as if it were absent: an enum value without a name, or a known number with another wire
    /// type. C++ protobuf keeps both as unknown fields.
    Absent,
}

pub(crate) fn classify<'a>(desc: &FieldDescriptor, payload: Payload<'a>) -> FieldClass<'a> {
    match (desc.kind, payload) {
        (Kind::Enum(desc), Payload::Varint(value)) if enum_name(desc, value).is_none() => FieldClass::Absent,
        (Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Enum(_), Payload::Varint(_))
        | (Kind::Double, Payload::Fixed64(_))
        | (Kind::Float, Payload::Fixed32(_))
        | (Kind::String | Kind::Bytes, Payload::Bytes(_)) => FieldClass::Scalar,
        (Kind::Message(nested) | Kind::Map(nested), Payload::Bytes(bytes)) => FieldClass::Nested(nested, bytes),
        (Kind::Duration, Payload::Bytes(bytes)) => FieldClass::Nested(&DURATION, bytes),
        (_, Payload::Bytes(bytes)) if desc.label == Label::Repeated => FieldClass::Packed(bytes),
        _ => FieldClass::Absent,
    }
}

/// Returns the name of an encoded enum value. Enums travel as sign-extended 32-bit integers.
pub(crate) fn enum_name(desc: &EnumDescriptor, value: u64) -> Option<&'static str> {
    desc.name_of(value as i32)
}

/// Returns the field with this number and its place in the table.
pub(crate) fn lookup(desc: &MessageDescriptor, number: u32) -> Option<(usize, &FieldDescriptor)> {
    let guess = number.wrapping_sub(1) as usize;
    match desc.fields.get(guess) {
        Some(field) if field.number == number => Some((guess, field)),
        _ => desc.fields.iter().enumerate().find(|(_, field)| field.number == number),
    }
}

pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the number of bytes that [`put_varint`] writes.
pub(crate) fn varint_size(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

pub(crate) fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | 2, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
