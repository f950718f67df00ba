//! `prost` leaves the value out of a map entry when it equals the default value, as proto3 allows. In proto2 such a
//! value may have required fields (a limit of `0.0`), and C++ protobuf then refuses the whole message as incomplete. So
//! the value is put back before bytes leave this program.

use std::collections::HashSet;
use std::sync::OnceLock;

use messages::schema::{ALL_MESSAGES, FieldDesc, Kind, Label, MessageDesc};

use super::rewrite::Copy;
use super::scan::{DURATION, Fields, Meaning, lookup, meaning, put_bytes, put_varint};

/// Adds the left-out values to bytes that `prost` wrote.
pub(super) fn complete_map_values(desc: &'static MessageDesc, bytes: Vec<u8>) -> Vec<u8> {
    if !carries_map(desc) {
        return bytes;
    }
    message(desc, &bytes).unwrap_or(bytes)
}

/// The replacement for `bytes`, if one is needed.
fn message(desc: &MessageDesc, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Copy::new(bytes);
    let mut fields = Fields::new(bytes);
    loop {
        let start = bytes.len() - fields.rest.len();
        // `prost` writes nothing malformed.
        let Ok(Some(field)) = fields.next_field() else { break };
        let end = bytes.len() - fields.rest.len();
        let Some((_, field_desc)) = lookup(desc, field.number) else { continue };
        let Meaning::Nested(nested, payload) = meaning(field_desc, field.payload) else { continue };
        let changed = match missing_value(field_desc, payload) {
            Some((number, value)) => {
                let mut entry = payload.to_vec();
                put_bytes(number, &zero_message(value), &mut entry);
                Some(entry)
            }
            None if carries_map(nested) => message(nested, payload),
            None => None,
        };
        if let Some(changed) = changed {
            copy.replace(start, end, |out| put_bytes(field.number, &changed, out));
        }
    }
    copy.finish()
}

/// The number and type of the message an entry of this map lacks.
fn missing_value(map: &FieldDesc, entry: &[u8]) -> Option<(u32, &'static MessageDesc)> {
    let Kind::Map(MessageDesc { fields: [_, value], .. }) = map.kind else { return None };
    let Kind::Message(desc) = value.kind else { return None };
    let mut fields = Fields::new(entry);
    while let Ok(Some(field)) = fields.next_field() {
        if field.number == value.number {
            return None;
        }
    }
    Some((value.number, desc))
}

/// The default message as proto2 writes it: its required fields, zero or empty.
pub(crate) fn zero_message(desc: &MessageDesc) -> Vec<u8> {
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

/// Whether messages of this type may contain, at any depth, a map of messages. Most do not, and are left alone.
fn carries_map(desc: &'static MessageDesc) -> bool {
    static CARRIERS: OnceLock<HashSet<usize>> = OnceLock::new();
    let address = |desc: &'static MessageDesc| std::ptr::from_ref(desc) as usize;
    let carriers = CARRIERS.get_or_init(|| {
        let mut carriers = HashSet::new();
        // Types refer to each other in circles: repeat until nothing is found any more.
        loop {
            let before = carriers.len();
            for desc in ALL_MESSAGES {
                let carries = desc.fields.iter().any(|field| match field.kind {
                    Kind::Map(MessageDesc { fields: [_, FieldDesc { kind: Kind::Message(_), .. }], .. }) => true,
                    Kind::Message(nested) => carriers.contains(&address(nested)),
                    _ => false,
                });
                if carries {
                    carriers.insert(address(desc));
                }
            }
            if carriers.len() == before {
                return carriers;
            }
        }
    });
    carriers.contains(&address(desc))
}
