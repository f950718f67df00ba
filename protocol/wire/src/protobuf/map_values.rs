//! Values of map entries that `prost` leaves out. It leaves out a value that equals the default, as proto3 allows. In
//! proto2 such a value may have required fields (a limit of `0.0`), and C++ protobuf then refuses the whole message as
//! incomplete. So the value is added before bytes leave this program.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use messages::schema::{ALL_MESSAGES, FieldDescriptor, Kind, Label, MessageDescriptor};

use super::rewrite::LazyCopy;
use super::scan::{DURATION, FieldClass, Fields, classify, put_bytes, put_varint};

/// Adds the left-out values to bytes that `prost` wrote.
pub(super) fn complete_map_values(desc: &'static MessageDescriptor, bytes: Vec<u8>) -> Vec<u8> {
    let paths = Paths::get();
    let Some(begin) = paths.begin.get(&address(desc)) else { return bytes };
    paths.message(*begin, &bytes).unwrap_or(bytes)
}

/// The paths through all types of messages that lead to a map of messages. Most types have none and are left alone; of
/// the others, most messages take none.
struct Paths {
    /// The positions in `steps`, by the address of the descriptor of a type.
    begin: BTreeMap<usize, usize>,
    /// The fields of each of these types that lead to a map.
    steps: Vec<Vec<Step>>,
}

struct Step {
    field: &'static FieldDescriptor,
    /// The position of the message in the field; `None` if the messages are the entries of a map, which end the path.
    next: Option<usize>,
}

impl Paths {
    fn get() -> &'static Self {
        static PATHS: OnceLock<Paths> = OnceLock::new();
        PATHS.get_or_init(|| {
            let mut begin: BTreeMap<usize, usize> = BTreeMap::new();
            // Types refer to each other in cycles, so the search repeats until it finds nothing new.
            loop {
                let before = begin.len();
                for desc in ALL_MESSAGES {
                    if desc.fields.iter().any(|field| step(&begin, field).is_some()) {
                        let next = begin.len();
                        begin.entry(address(desc)).or_insert(next);
                    }
                }
                if begin.len() == before {
                    break;
                }
            }
            let mut steps: Vec<_> = begin.values().map(|_| Vec::new()).collect();
            for desc in ALL_MESSAGES {
                if let Some(steps) = begin.get(&address(desc)).and_then(|index| steps.get_mut(*index)) {
                    *steps = desc.fields.iter().filter_map(|field| step(&begin, field)).collect();
                }
            }
            Paths { begin, steps }
        })
    }

    /// Returns the replacement for `bytes`; `None` if none is needed.
    fn message(&self, at: usize, bytes: &[u8]) -> Option<Vec<u8>> {
        let steps = self.steps.get(at)?;
        let mut copy = LazyCopy::new(bytes);
        let mut fields = Fields::new(bytes);
        loop {
            let start = bytes.len() - fields.rest.len();
            // `prost` writes nothing malformed.
            let Ok(Some(field)) = fields.next_field() else { break };
            let Some(step) = steps.iter().find(|step| step.field.number == field.number) else { continue };
            let end = bytes.len() - fields.rest.len();
            let FieldClass::Nested(_, payload) = classify(step.field, field.payload) else { continue };
            let changed = match (missing_value(step.field, payload), step.next) {
                (Some((number, value)), _) => {
                    let mut entry = payload.to_vec();
                    put_bytes(number, &zero_message(value), &mut entry);
                    Some(entry)
                }
                (None, Some(next)) => self.message(next, payload),
                (None, None) => None,
            };
            if let Some(changed) = changed {
                copy.replace(start, end, |out| put_bytes(field.number, &changed, out));
            }
        }
        copy.finish()
    }
}

fn address(desc: &'static MessageDescriptor) -> usize {
    std::ptr::from_ref(desc) as usize
}

fn step(begin: &BTreeMap<usize, usize>, field: &'static FieldDescriptor) -> Option<Step> {
    match field.kind {
        Kind::Map(entry) if matches!(entry.fields, [_, FieldDescriptor { kind: Kind::Message(_), .. }]) => {
            Some(Step { field, next: begin.get(&address(entry)).copied() })
        }
        Kind::Message(nested) => Some(Step { field, next: Some(*begin.get(&address(nested))?) }),
        _ => None,
    }
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
