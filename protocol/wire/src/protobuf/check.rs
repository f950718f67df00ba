//! The one pass over untrusted bytes before `prost` reads them.

use std::borrow::Cow;

use messages::schema::{FieldDescriptor, Kind, Label, MessageDescriptor};

use super::DecodeError;
use super::missing_fields::missing_fields;
use super::rewrite::LazyCopy;
use super::scan::{FieldClass, Fields, Payload, classify, enum_name, lookup, put_bytes, put_varint};
use crate::Limits;

/// Checks `bytes` against the schema and drops the fields that `prost` would read differently from C++ protobuf. The
/// bytes are copied only if something has to be dropped, which no peer of the same version ever causes.
pub(crate) fn check<'a>(
    desc: &MessageDescriptor,
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    if bytes.len() > limits.max_bytes {
        return Err(DecodeError::TooLarge { size: bytes.len(), limit: limits.max_bytes });
    }
    let max_memory = limits.max_memory(bytes.len());
    let mut walk = Walk { limits, elements: 0, memory: 0, max_memory, incomplete: false };
    let rewritten = walk.message(desc, bytes, 0)?;
    let checked = rewritten.map_or(Cow::Borrowed(bytes), Cow::Owned);
    if walk.incomplete {
        return Err(DecodeError::MissingRequired(missing_fields(desc, &checked)));
    }
    Ok(checked)
}

struct Walk<'l> {
    limits: &'l Limits,
    elements: usize,
    /// The number of bytes that the decoded message takes, as far as it has been read.
    memory: usize,
    max_memory: usize,
    /// Whether some message lacks a required field. A second, slower pass finds out which one.
    incomplete: bool,
}

impl Walk<'_> {
    /// Returns the replacement for `bytes`; `None` if none is needed.
    fn message(
        &mut self,
        desc: &MessageDescriptor,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Option<Vec<u8>>, DecodeError> {
        if depth > self.limits.max_depth {
            return Err(DecodeError::TooDeep { limit: self.limits.max_depth });
        }
        let mut copy = LazyCopy::new(bytes);
        let mut seen = 0u64;
        let mut fields = Fields::new(bytes);
        loop {
            let start = bytes.len() - fields.rest.len();
            let Some(field) = fields.next_field()? else { break };
            let end = bytes.len() - fields.rest.len();
            self.count(1)?;
            let Some((index, field_desc)) = lookup(desc, field.number) else { continue };
            let class = classify(field_desc, field.payload);
            self.claim(memory_of(field_desc, &class, field.payload, seen & bit(index) == 0))?;
            let replacement = match class {
                FieldClass::Scalar => None,
                FieldClass::Absent => {
                    copy.replace(start, end, |_| {});
                    continue;
                }
                FieldClass::Nested(nested, payload) => self.message(nested, payload, depth + 1)?,
                FieldClass::Packed(payload) => self.packed(field_desc, payload)?,
            };
            if let Some(payload) = replacement {
                copy.replace(start, end, |out| put_bytes(field.number, &payload, out));
            }
            seen |= bit(index);
        }
        self.incomplete |= lacks_required(desc, seen);
        Ok(copy.finish())
    }

    /// Counts the elements, and drops enum values without a name.
    fn packed(&mut self, desc: &FieldDescriptor, payload: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        match desc.kind {
            Kind::Double => self.count(payload.len() / 8)?,
            Kind::Float => self.count(payload.len() / 4)?,
            kind => {
                let mut rest = Fields::new(payload);
                let mut kept = Vec::new();
                let mut dropped = false;
                while !rest.rest.is_empty() {
                    let value = rest.varint()?;
                    self.count(1)?;
                    match kind {
                        Kind::Enum(desc) if enum_name(desc, value).is_none() => dropped = true,
                        _ => put_varint(value, &mut kept),
                    }
                }
                return Ok(dropped.then_some(kept));
            }
        }
        Ok(None)
    }

    fn claim(&mut self, memory: usize) -> Result<(), DecodeError> {
        self.memory = self.memory.saturating_add(memory);
        if self.memory > self.max_memory {
            return Err(DecodeError::TooMuchMemory { limit: self.max_memory });
        }
        Ok(())
    }

    fn count(&mut self, elements: usize) -> Result<(), DecodeError> {
        self.elements = self.elements.saturating_add(elements);
        if self.elements > self.limits.max_elements {
            return Err(DecodeError::TooManyElements { limit: self.limits.max_elements });
        }
        Ok(())
    }
}

/// Returns the number of bytes that `prost` allocates for one occurrence of a field. A `Vec` begins with room for four
/// elements and doubles; a node of a `BTreeMap` has room for eleven entries, of which at least five are used once there
/// are several nodes.
fn memory_of(field: &FieldDescriptor, class: &FieldClass<'_>, payload: Payload<'_>, is_first: bool) -> usize {
    const VALUE: usize = 8;
    const STRING: usize = size_of::<String>();
    let text = match (class, payload) {
        (FieldClass::Scalar, Payload::Bytes(bytes)) => bytes.len(),
        _ => 0,
    };
    let (size, first, later) = match (class, field.kind, field.label) {
        (FieldClass::Absent, ..) => return 0,
        (FieldClass::Packed(bytes), ..) => return bytes.len().saturating_mul(2 * VALUE),
        (FieldClass::Nested(entry, _), Kind::Map(_), _) => (entry.size, 12, 2),
        (FieldClass::Nested(nested, _), _, Label::Repeated) => (nested.size, 4, 2),
        (FieldClass::Nested(nested, _), ..) => (nested.size, 1, 0),
        (FieldClass::Scalar, Kind::String | Kind::Bytes, Label::Repeated) => (STRING, 4, 2),
        (FieldClass::Scalar, _, Label::Repeated) => (VALUE, 4, 2),
        (FieldClass::Scalar, ..) => (0, 0, 0),
    };
    text.saturating_add(size.saturating_mul(if is_first { first } else { later }))
}

fn lacks_required(desc: &MessageDescriptor, seen: u64) -> bool {
    desc.fields.iter().enumerate().any(|(index, field)| field.label == Label::Required && seen & bit(index) == 0)
}

/// Returns the bit of a field in the set of fields that occur. No message has more than 64 fields, which a test checks.
pub(super) fn bit(index: usize) -> u64 {
    1u64.checked_shl(index as u32).unwrap_or(0)
}
