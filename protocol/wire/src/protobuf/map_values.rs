//! Values of map entries that `prost` leaves out. It leaves out a value that equals the default, as proto3 allows. In
//! proto2 such a value may have required fields (a limit of `0.0`), and C++ protobuf then refuses the whole message as
//! incomplete. So the value is added before bytes leave this program.

use messages::schema::{FieldDescriptor, Kind, Label, MessageDescriptor};

use super::rewrite::LazyCopy;
use super::scan::{DURATION, FieldClass, Fields, classify, put_bytes, put_varint};

/// Adds the left-out values to bytes that `prost` wrote.
pub(super) fn complete_map_values(desc: &'static MessageDescriptor, bytes: Vec<u8>) -> Vec<u8> {
    complete(desc, &bytes).unwrap_or(bytes)
}

/// Returns the replacement for a message or an entry of a map; `None` if none is needed. Most types lead to no map of
/// messages and are left alone; of the others, most messages have none.
fn complete(desc: &MessageDescriptor, bytes: &[u8]) -> Option<Vec<u8>> {
    if !desc.has_maps_of_messages {
        return None;
    }
    let mut copy = LazyCopy::new(bytes);
    let mut fields = Fields::new(bytes);
    loop {
        let start = bytes.len() - fields.rest.len();
        // `prost` writes nothing malformed.
        let Ok(Some(field)) = fields.next_field() else { break };
        let Some(known) = desc.by_number(field.number) else { continue };
        let (Kind::Map(nested) | Kind::Message(nested)) = known.kind else { continue };
        let end = bytes.len() - fields.rest.len();
        let FieldClass::Nested(_, payload) = classify(known, field.payload) else { continue };
        let changed = match missing_value(known, payload) {
            Some((number, value)) => {
                let mut entry = payload.to_vec();
                put_bytes(number, &zero_message(value), &mut entry);
                Some(entry)
            }
            None => complete(nested, payload),
        };
        if let Some(changed) = changed {
            copy.replace(start, end, |out| put_bytes(field.number, &changed, out));
        }
    }
    copy.finish()
}

/// Returns the number and the type of the message that an entry of this map lacks.
fn missing_value(map: &FieldDescriptor, entry: &[u8]) -> Option<(u32, &'static MessageDescriptor)> {
    let Kind::Map(MessageDescriptor { fields: [_, value], .. }) = map.kind else { return None };
    let Kind::Message(desc) = value.kind else { return None };
    let mut fields = Fields::new(entry);
    while let Ok(Some(field)) = fields.next_field() {
        if field.number == value.number {
            return None;
        }
    }
    Some((value.number, desc))
}

/// Returns the default message as proto2 writes it: its required fields are zero or empty.
pub(crate) fn zero_message(desc: &MessageDescriptor) -> Vec<u8> {
    let mut out = Vec::new();
    for field in desc.fields.iter().filter(|field| field.label == Label::Required) {
        let tag = |wire: u64| u64::from(field.number) << 3 | wire;
        match field.kind {
            Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => {
                put_varint(tag(0), &mut out);
                out.push(0);
            }
            Kind::Enum(desc) => {
                put_varint(tag(0), &mut out);
                put_varint(desc.values.first().map_or(0, |(number, _)| i64::from(*number) as u64), &mut out);
            }
            Kind::Double => {
                put_varint(tag(1), &mut out);
                out.extend([0; 8]);
            }
            Kind::Float => {
                put_varint(tag(5), &mut out);
                out.extend([0; 4]);
            }
            Kind::String | Kind::Bytes | Kind::Map(_) => put_bytes(field.number, &[], &mut out),
            Kind::Message(nested) => put_bytes(field.number, &zero_message(nested), &mut out),
            Kind::Duration => put_bytes(field.number, &zero_message(&DURATION), &mut out),
        }
    }
    out
}
