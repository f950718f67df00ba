//! The names of absent required fields, in the order and the notation of C++ protobuf: those of the message itself,
//! then those of its sub-messages by field number, `a.b[1].c`.

use messages::schema::{Label, MessageDescriptor};

use super::check::bit;
use super::scan::{FieldClass, Fields, classify, lookup};

/// The longest text: a message of a million incomplete elements must not cause megabytes of text.
const MAX_TEXT: usize = 4096;

/// Returns the names of the absent fields. `bytes` must have passed `check`, which bounds the depth.
pub(super) fn missing_fields(desc: &MessageDescriptor, bytes: &[u8]) -> String {
    let mut names = String::new();
    collect(desc, bytes, "", &mut names);
    names
}

fn collect(desc: &MessageDescriptor, bytes: &[u8], prefix: &str, names: &mut String) {
    let mut seen = 0u64;
    let mut nested = Vec::new();
    let mut fields = Fields::new(bytes);
    while let Ok(Some(field)) = fields.next_field() {
        let Some((index, field_desc)) = lookup(desc, field.number) else { continue };
        seen |= bit(index);
        if let FieldClass::Nested(inner, payload) = classify(field_desc, field.payload) {
            nested.push((field_desc, inner, payload));
        }
    }
    for (index, field) in desc.fields.iter().enumerate() {
        if field.label == Label::Required && seen & bit(index) == 0 && names.len() < MAX_TEXT {
            let separator = if names.is_empty() { "" } else { ", " };
            names.extend([separator, prefix, field.name]);
        }
    }
    nested.sort_by_key(|(field, ..)| field.number);
    let mut position = 0;
    let mut previous = 0;
    for (field, inner, payload) in nested {
        position = if field.number == previous { position + 1 } else { 0 };
        previous = field.number;
        if names.len() >= MAX_TEXT {
            return;
        }
        let path = match field.label {
            Label::Repeated => format!("{prefix}{}[{position}].", field.name),
            _ => format!("{prefix}{}.", field.name),
        };
        collect(inner, payload, &path, names);
    }
}
