//! Reads JSON text into protobuf bytes by the tables, and then checks these like protobuf from the network.
//!
//! Mesos reads leniently and its clients rely on it: unknown fields are ignored, `null` means absence, numbers and
//! booleans may be strings, a lone value may stand for an array of one, and an unknown enum name leaves the field
//! unset.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use messages::schema::{FieldDescriptor, HasDescriptor, Kind, Label, MessageDescriptor};

use super::value::{JsonValue, Number, parse};
use crate::protobuf::check;
use crate::protobuf::scan::{DURATION, put_bytes, put_varint};
use crate::{DecodeError, Limits};

/// The reason for which a text is not a message. Mesos answers the two cases with different texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum JsonError {
    /// The text is no JSON, or larger or deeper than allowed.
    #[error("{0}")]
    NotJson(String),
    /// The JSON is not such a message; the reason is worded as Mesos words it.
    #[error("{0}")]
    NotConvertible(String),
}

/// Reads Mesos JSON as the message `T`.
///
/// # Errors
///
/// Returns an error if the text is no JSON within the limits, or not a complete message of this type.
pub fn decode<T: HasDescriptor>(bytes: &[u8], limits: &Limits) -> Result<T, JsonError> {
    let encoded = read_bytes(T::desc(), bytes, limits)?;
    T::decode(&*encoded).map_err(|error| JsonError::NotConvertible(error.to_string()))
}

/// Reads JSON as the protobuf bytes of a message of this type, complete and within the limits: the reverse of
/// [`super::write_bytes`].
///
/// # Errors
///
/// Returns an error if the text is no JSON within the limits, or not a complete message of this type.
pub fn read_bytes(desc: &MessageDescriptor, bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, JsonError> {
    let tree = parse_bounded(bytes, limits)?;
    object_bytes(desc, &tree, limits, Vec::with_capacity(bytes.len()))
}

/// Reads a JSON array of messages, as the oldest endpoints accept it.
///
/// # Errors
///
/// Returns an error if the text is no JSON array within the limits, or an element is not a complete message of this
/// type.
pub fn decode_list<T: HasDescriptor>(bytes: &[u8], limits: &Limits) -> Result<Vec<T>, JsonError> {
    let JsonValue::Array(items) = parse_bounded(bytes, limits)? else {
        return Err(JsonError::NotJson("Unexpected JSON type parsed".to_owned()));
    };
    let read = |item: &JsonValue<'_>| {
        let encoded = object_bytes(T::desc(), item, limits, Vec::new())?;
        T::decode(&*encoded).map_err(|error| JsonError::NotConvertible(error.to_string()))
    };
    items.iter().map(read).collect()
}

fn parse_bounded<'a>(bytes: &'a [u8], limits: &Limits) -> Result<JsonValue<'a>, JsonError> {
    if bytes.len() > limits.max_bytes {
        let (size, limit) = (bytes.len(), limits.max_bytes);
        return Err(JsonError::NotJson(DecodeError::TooLarge { size, limit }.to_string()));
    }
    parse(bytes, limits).map_err(JsonError::NotJson)
}

fn object_bytes(
    desc: &MessageDescriptor,
    tree: &JsonValue<'_>,
    limits: &Limits,
    mut encoded: Vec<u8>,
) -> Result<Vec<u8>, JsonError> {
    let JsonValue::Object(members) = tree else {
        return Err(JsonError::NotConvertible("Expecting a JSON object".to_owned()));
    };
    message(desc, members, &mut encoded).map_err(JsonError::NotConvertible)?;
    // The size of the text was bounded before, and a short JSON number may be a longer field.
    let limits = Limits { max_bytes: usize::MAX, ..*limits };
    match check(desc, &encoded, &limits) {
        Ok(Cow::Borrowed(_)) => Ok(encoded),
        Ok(Cow::Owned(checked)) => Ok(checked),
        Err(DecodeError::MissingRequired(names)) => {
            Err(JsonError::NotConvertible(format!("Missing required fields: {names}")))
        }
        Err(other) => Err(JsonError::NotConvertible(other.to_string())),
    }
}

type Members<'a> = [(Cow<'a, str>, JsonValue<'a>)];

fn message(desc: &MessageDescriptor, members: &Members<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    for (name, value) in members {
        if let Some(field) = desc.by_name(name) {
            put_value(field, value, out)?;
        }
    }
    Ok(())
}

fn put_value(field: &FieldDescriptor, value: &JsonValue<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    match value {
        JsonValue::Null => Ok(()),
        JsonValue::Bool(value) => put_bool(field, *value, out),
        JsonValue::Number(number) => put_number(field, *number, out),
        JsonValue::String(text) => put_string(field, text, out),
        JsonValue::Array(items) if field.label == Label::Repeated => {
            items.iter().try_for_each(|item| put_value(field, item, out))
        }
        JsonValue::Array(_) => Err(unexpected("array", field)),
        JsonValue::Object(members) => put_object(field, members, out),
    }
}

fn put_object(field: &FieldDescriptor, members: &Members<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let nested = match field.kind {
        Kind::Map(entry) => return put_map(field, entry, members, out),
        Kind::Message(desc) => desc,
        Kind::Duration => &DURATION,
        _ => return Err(unexpected("object", field)),
    };
    let mut bytes = Vec::new();
    message(nested, members, &mut bytes)?;
    put_bytes(field.number, &bytes, out);
    Ok(())
}

fn put_map(
    field: &FieldDescriptor,
    entry: &MessageDescriptor,
    members: &Members<'_>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let [key, value] = entry.fields else { return Err(unexpected("object", field)) };
    for (name, member) in members {
        let mut bytes = Vec::new();
        put_string(key, name, &mut bytes)?;
        match (member, value.kind) {
            // The message is empty but present, so that its required fields are reported as missing.
            (JsonValue::Null, Kind::Message(_)) => put_bytes(value.number, &[], &mut bytes),
            _ => put_value(value, member, &mut bytes)?,
        }
        put_bytes(field.number, &bytes, out);
    }
    Ok(())
}

fn put_bool(field: &FieldDescriptor, value: bool, out: &mut Vec<u8>) -> Result<(), String> {
    match field.kind {
        Kind::Bool => put_integer(field, u64::from(value), out),
        _ => return Err(unexpected("boolean", field)),
    }
    Ok(())
}

fn put_string(field: &FieldDescriptor, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let parse_error = |what: &str, error: String| {
        format!("Failed to parse '{text}' as a JSON {what} for field '{}': {error}", field.name)
    };
    match field.kind {
        Kind::String => put_bytes(field.number, text.as_bytes(), out),
        Kind::Bytes => {
            let bytes = decode_base64(text).map_err(|invalid| {
                format!("Failed to base64 decode bytes field '{}': Invalid character '{invalid}'", field.name)
            })?;
            put_bytes(field.number, &bytes, out);
        }
        Kind::Enum(desc) => match desc.number_of(text) {
            Some(number) => put_integer(field, i64::from(number) as u64, out),
            None if field.label == Label::Required => return Err(format!("Failed to find enum for '{text}'")),
            // An optional or repeated value of a newer version is dropped, as proto2 does.
            None => {}
        },
        Kind::Double | Kind::Float => {
            let special = match text {
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                // Mesos has no spelling for NaN; Tepui's writer uses this one.
                "NaN" => Some(f64::NAN),
                _ => None,
            };
            let number = match special {
                Some(value) => Number::Double(value),
                None => parse_number(text).map_err(|error| parse_error("number", error))?,
            };
            put_number(field, number, out)?;
        }
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => {
            put_number(field, parse_number(text).map_err(|error| parse_error("number", error))?, out)?;
        }
        Kind::Bool => {
            put_bool(field, parse_bool(text).map_err(|error| parse_error("boolean", error))?, out)?;
        }
        Kind::Message(_) | Kind::Map(_) | Kind::Duration => return Err(unexpected("string", field)),
    }
    Ok(())
}

fn put_number(field: &FieldDescriptor, number: Number, out: &mut Vec<u8>) -> Result<(), String> {
    let out_of_range = || format!("The number for field '{}' is out of range", field.name);
    match field.kind {
        Kind::Double => {
            put_varint(u64::from(field.number) << 3 | 1, out);
            out.extend_from_slice(&number.as_f64().to_le_bytes());
        }
        Kind::Float => {
            put_varint(u64::from(field.number) << 3 | 5, out);
            out.extend_from_slice(&(number.as_f64() as f32).to_le_bytes());
        }
        Kind::Int32 => {
            let value = number.as_integer().and_then(|v| i32::try_from(v).ok()).ok_or_else(out_of_range)?;
            put_integer(field, i64::from(value) as u64, out);
        }
        Kind::Int64 => {
            let value = number.as_integer().and_then(|v| i64::try_from(v).ok()).ok_or_else(out_of_range)?;
            put_integer(field, value as u64, out);
        }
        Kind::Uint32 => {
            let value = number.as_integer().and_then(|v| u32::try_from(v).ok()).ok_or_else(out_of_range)?;
            put_integer(field, u64::from(value), out);
        }
        Kind::Uint64 => {
            let value = number.as_integer().and_then(|v| u64::try_from(v).ok()).ok_or_else(out_of_range)?;
            put_integer(field, value, out);
        }
        _ => return Err(unexpected("number", field)),
    }
    Ok(())
}

fn put_integer(field: &FieldDescriptor, value: u64, out: &mut Vec<u8>) {
    put_varint(u64::from(field.number) << 3, out);
    put_varint(value, out);
}

impl Number {
    fn as_f64(self) -> f64 {
        match self {
            Number::Signed(value) => value as f64,
            Number::Unsigned(value) => value as f64,
            Number::Double(value) => value,
        }
    }

    /// Returns the value as an integer. A fraction is cut off, as by a C++ cast; infinities and NaN are no integers.
    fn as_integer(self) -> Option<i128> {
        match self {
            Number::Signed(value) => Some(value.into()),
            Number::Unsigned(value) => Some(value.into()),
            Number::Double(value) if value.is_finite() => Some(value as i128),
            Number::Double(_) => None,
        }
    }
}

fn parse_number(text: &str) -> Result<Number, String> {
    match parse(text.as_bytes(), &Limits::default())? {
        JsonValue::Number(number) => Ok(number),
        _ => Err("Unexpected JSON type parsed".to_owned()),
    }
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match parse(text.as_bytes(), &Limits::default())? {
        JsonValue::Bool(value) => Ok(value),
        _ => Err("Unexpected JSON type parsed".to_owned()),
    }
}

/// Decodes base64 as Mesos' own decoder does: white space is skipped, everything from the first `=` on is ignored, and
/// padding is not required.
fn decode_base64(text: &str) -> Result<Vec<u8>, char> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let mut symbols = Vec::with_capacity(text.len());
    for symbol in text.chars().take_while(|c| *c != '=').filter(|c| !matches!(c, ' ' | '\t'..='\r')) {
        if !(symbol.is_ascii_alphanumeric() || symbol == '+' || symbol == '/') {
            return Err(symbol);
        }
        symbols.push(symbol as u8);
    }
    // A single symbol at the end has no whole byte.
    if symbols.len() % 4 == 1 {
        symbols.pop();
    }
    Ok(LENIENT.decode(&symbols).unwrap_or_default())
}

fn unexpected(what: &str, field: &FieldDescriptor) -> String {
    format!("Not expecting a JSON {what} for field '{}'", field.name)
}
