//! The fields of a message that this program encoded, without decoding the message.

use super::scan::{Field, Fields, Payload};

/// A field of an encoded message.
#[derive(Debug, Clone, Copy)]
pub struct EncodedField<'a> {
    field: Field<'a>,
    encoded: &'a [u8],
}

impl<'a> EncodedField<'a> {
    /// Returns the number of the field.
    pub fn number(&self) -> u32 {
        self.field.number
    }

    /// Returns the whole encoding of the field, with its number.
    pub fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// Returns the value of a number, a `bool` or an enum; `None` for a field of another type.
    pub fn varint(&self) -> Option<u64> {
        match self.field.payload {
            Payload::Varint(value) => Some(value),
            Payload::Fixed64(_) | Payload::Bytes(_) | Payload::Fixed32(_) => None,
        }
    }

    /// Returns the value of a `double`; `None` for a field of another type.
    pub fn double(&self) -> Option<f64> {
        match self.field.payload {
            Payload::Fixed64(bytes) => Some(f64::from_le_bytes(bytes)),
            Payload::Varint(_) | Payload::Bytes(_) | Payload::Fixed32(_) => None,
        }
    }

    /// Returns the value of a string or bytes, or an encoded message; `None` for a field of another type.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self.field.payload {
            Payload::Bytes(bytes) => Some(bytes),
            Payload::Varint(_) | Payload::Fixed64(_) | Payload::Fixed32(_) => None,
        }
    }
}

/// Iterates over the fields of a message in the order in which they are encoded, which is that of their numbers if
/// [`encode`](crate::encode) encoded the message. Bytes that are no message end the iteration.
pub fn encoded_fields(message: &[u8]) -> impl Iterator<Item = EncodedField<'_>> + Clone {
    let mut fields = Fields::new(message);
    std::iter::from_fn(move || {
        let before = fields.rest;
        let field = fields.next_field().ok().flatten()?;
        let encoded = before.get(..before.len() - fields.rest.len())?;
        Some(EncodedField { field, encoded })
    })
}

/// Splits a message that [`encode`](crate::encode) encoded into the fields with numbers below `number`, and the others.
pub fn split_fields(message: &[u8], number: u32) -> (&[u8], &[u8]) {
    let below = encoded_fields(message).take_while(|field| field.number() < number);
    message.split_at_checked(below.map(|field| field.encoded().len()).sum()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use messages::v1;

    use super::*;
    use crate::encode;

    #[test]
    fn fields_are_found_in_order_with_their_encoding() {
        let task = v1::Task {
            name: "n".repeat(300),
            state: v1::TaskState::TaskRunning as i32,
            statuses: vec![v1::TaskStatus::default(); 2],
            status_update_uuid: Some(vec![7; 16]),
            ..v1::Task::default()
        };
        let message = encode(&task);
        let fields: Vec<_> = encoded_fields(&message).collect();
        assert_eq!(fields.iter().map(EncodedField::number).collect::<Vec<_>>(), [1, 2, 3, 5, 6, 8, 8, 10]);
        assert_eq!(fields.iter().flat_map(EncodedField::encoded).copied().collect::<Vec<_>>(), message);
        let of = |number| fields.iter().find(|field| field.number() == number).copied().unwrap();
        assert_eq!((of(1).bytes(), of(1).varint()), (Some(task.name.as_bytes()), None));
        assert_eq!((of(6).bytes(), of(6).varint()), (None, Some(v1::TaskState::TaskRunning as u64)));
        assert_eq!(of(8).bytes(), Some(encode(&v1::TaskStatus::default()).as_slice()));
        assert_eq!(
            (of(6).double(), encoded_fields(&encode(&v1::value::Scalar { value: 0.5 })).next().unwrap().double()),
            (None, Some(0.5))
        );
        let (before, from) = split_fields(&message, 8);
        assert_eq!(encoded_fields(before).last().map(|field| field.number()), Some(6));
        assert_eq!((encoded_fields(from).count(), [before, from].concat()), (3, message.clone()));
        assert_eq!((split_fields(&message, 1).0.len(), split_fields(&message, 11).1.len()), (0, 0));
        let truncated = message.get(..message.len() - 1).unwrap();
        assert_eq!(encoded_fields(truncated).count(), 7);
    }
}
