//! The fields that are set in a message, with their paths, for rules that hold for every field of every message inside.

use messages::schema::{FieldDescriptor, HasDescriptor, Kind, Label, MessageDescriptor};

use super::scan::{FieldClass, Fields, Payload, classify, enum_name, lookup};

/// The deepest level that is visited. Messages that have passed `check` are never deeper.
const MAX_DEPTH: usize = 100;

/// One field of a message that is set, or one element of a repeated one.
#[derive(Debug)]
pub struct SetField<'a> {
    /// The message that the field is declared in.
    pub message: &'static MessageDescriptor,
    /// The descriptor of the field.
    pub field: &'static FieldDescriptor,
    /// The path from the message that the visit began at, e.g. `container.network_infos[0].name`.
    pub path: &'a str,
    /// The value as a word: the name of an enum value or a boolean; `None` for numbers, texts, bytes and messages.
    pub word: Option<&'static str>,
}

/// Whether a visit goes on inside of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldVisit {
    /// The fields of the message are visited.
    Descend,
    /// The fields of the message are skipped.
    Skip,
}

/// Calls `visit` for every field that is set, in the order of the encoding, until it returns an error.
///
/// # Errors
///
/// Returns the first error of `visit`.
pub fn visit_set_fields<M: HasDescriptor, E>(
    message: &M,
    visit: &mut dyn FnMut(SetField<'_>) -> Result<FieldVisit, E>,
) -> Result<(), E> {
    walk(M::desc(), &message.encode_to_vec(), &mut String::new(), 0, visit)
}

fn walk<E>(
    message: &'static MessageDescriptor,
    bytes: &[u8],
    path: &mut String,
    depth: usize,
    visit: &mut dyn FnMut(SetField<'_>) -> Result<FieldVisit, E>,
) -> Result<(), E> {
    let mut fields = Fields::new(bytes);
    let (mut previous, mut position) = (0, 0);
    while let Ok(Some(set)) = fields.next_field() {
        let Some((_, field)) = lookup(message, set.number) else { continue };
        position = if set.number == previous { position + 1 } else { 0 };
        previous = set.number;
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(field.name);
        if field.label == Label::Repeated {
            path.push_str(&format!("[{position}]"));
        }
        let word = word(field, set.payload);
        let inside = visit(SetField { message, field, path, word })?;
        if let FieldClass::Nested(inner, payload) = classify(field, set.payload)
            && inside == FieldVisit::Descend
            && depth < MAX_DEPTH
        {
            walk(inner, payload, path, depth + 1, visit)?;
        }
        path.truncate(length);
    }
    Ok(())
}

fn word(field: &FieldDescriptor, payload: Payload<'_>) -> Option<&'static str> {
    match (field.kind, payload) {
        (Kind::Enum(values), Payload::Varint(value)) => enum_name(values, value),
        (Kind::Bool, Payload::Varint(value)) => Some(if value == 0 { "false" } else { "true" }),
        _ => None,
    }
}
