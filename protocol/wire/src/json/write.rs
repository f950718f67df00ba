//! Protobuf bytes to JSON text in one pass: no tree is built.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messages::schema::{DefaultValue, FieldDescriptor, HasDescriptor, Kind, Label, MessageDescriptor};

use super::scalars::{write_f64, write_string};
use crate::protobuf::scan::{DURATION, FieldClass, Fields, Payload, classify, enum_name, lookup};
use crate::protobuf::zero_message;

/// The deepest nesting of messages. `prost` accepts no deeper message, so neither Tepui's own nor decoded ones are
/// deeper.
const MAX_DEPTH: usize = 100;

/// Returns the message as one line of compact Mesos JSON.
pub fn encode<T: HasDescriptor>(message: &T) -> Vec<u8> {
    let mut out = Vec::new();
    write(message, &mut out);
    out
}

/// Appends the message as compact Mesos JSON.
pub fn write<T: HasDescriptor>(message: &T, out: &mut Vec<u8>) {
    write_bytes(T::desc(), &message.encode_to_vec(), out);
}

/// Appends an already encoded message as JSON. The bytes are expected to come from this program: whatever is malformed
/// or unknown in them is left out.
pub fn write_bytes(desc: &MessageDescriptor, bytes: &[u8], out: &mut Vec<u8>) {
    // Mesos JSON is about twice the size of its protobuf.
    out.reserve(bytes.len() * 2 + 2);
    Writer { out, entries: Vec::with_capacity(64) }.object(desc, bytes, 0);
}

/// One occurrence of a known field.
#[derive(Clone, Copy)]
struct Entry<'a> {
    index: usize,
    payload: Payload<'a>,
}

struct Writer<'o, 'a> {
    out: &'o mut Vec<u8>,
    /// The entries of all messages that are being written, innermost last: one allocation serves the whole text.
    entries: Vec<Entry<'a>>,
}

impl<'a> Writer<'_, 'a> {
    fn object(&mut self, desc: &MessageDescriptor, bytes: &'a [u8], depth: usize) {
        let base = self.entries.len();
        if depth <= MAX_DEPTH {
            self.index(desc, bytes);
        }
        self.out.push(b'{');
        let mut next = base;
        let end = self.entries.len();
        let mut first = true;
        for (index, field) in desc.fields.iter().enumerate() {
            let start = next;
            while next < end && self.entries[next].index == index {
                next += 1;
            }
            if start == next && !prints_default(field) {
                continue;
            }
            if !first {
                self.out.push(b',');
            }
            first = false;
            self.key(field.name);
            match field.label {
                _ if start == next => self.default(field),
                Label::Repeated => self.repeated(field, start, next, depth),
                Label::Optional | Label::Required => self.singular(field, start, next, depth),
            }
        }
        self.out.push(b'}');
        self.entries.truncate(base);
    }

    /// Records where each field begins, in declaration order. `prost` writes by field number, which is nearly always
    /// the same order.
    fn index(&mut self, desc: &MessageDescriptor, bytes: &'a [u8]) {
        let base = self.entries.len();
        let mut ordered = true;
        let mut last = 0;
        let mut fields = Fields::new(bytes);
        while let Ok(Some(field)) = fields.next_field() {
            let Some((index, field_desc)) = lookup(desc, field.number) else { continue };
            if matches!(classify(field_desc, field.payload), FieldClass::Absent) {
                continue;
            }
            ordered &= last <= index;
            last = index;
            self.entries.push(Entry { index, payload: field.payload });
        }
        if !ordered {
            self.entries[base..].sort_by_key(|entry| entry.index);
        }
    }

    fn singular(&mut self, field: &FieldDescriptor, start: usize, end: usize, depth: usize) {
        let last = self.entries[end - 1].payload;
        if end - start > 1 && matches!(field.kind, Kind::Message(_) | Kind::Duration) {
            self.merged(field, start, end, depth);
        } else {
            self.value(field.kind, last, depth);
        }
    }

    /// Writes a message field that occurs more than once: protobuf merges the occurrences, as if their bytes were one
    /// message.
    fn merged(&mut self, field: &FieldDescriptor, start: usize, end: usize, depth: usize) {
        let mut bytes = Vec::new();
        for entry in &self.entries[start..end] {
            if let Payload::Bytes(part) = entry.payload {
                bytes.extend_from_slice(part);
            }
        }
        Writer { out: self.out, entries: Vec::new() }.value(field.kind, Payload::Bytes(&bytes), depth);
    }

    fn repeated(&mut self, field: &FieldDescriptor, start: usize, end: usize, depth: usize) {
        if let Kind::Map(entry) = field.kind {
            return self.map(entry, start, end, depth);
        }
        self.out.push(b'[');
        let before = self.out.len();
        for position in start..end {
            match self.entries[position].payload {
                Payload::Bytes(packed) if is_packable(field.kind) => self.packed(field.kind, packed, before, depth),
                payload => {
                    self.comma_since(before);
                    self.value(field.kind, payload, depth);
                }
            }
        }
        self.out.push(b']');
    }

    fn packed(&mut self, kind: Kind, bytes: &'a [u8], before: usize, depth: usize) {
        let mut rest = Fields::new(bytes);
        while let Some(payload) = next_packed(kind, &mut rest) {
            if let (Kind::Enum(desc), Payload::Varint(value)) = (kind, payload)
                && enum_name(desc, value).is_none()
            {
                continue;
            }
            self.comma_since(before);
            self.value(kind, payload, depth);
        }
    }

    fn map(&mut self, entry: &MessageDescriptor, start: usize, end: usize, depth: usize) {
        let [key_desc, value_desc] = entry.fields else { return self.out.extend_from_slice(b"{}") };
        self.out.push(b'{');
        let before = self.out.len();
        for position in start..end {
            let Payload::Bytes(bytes) = self.entries[position].payload else { continue };
            let (mut key, mut value) = (None, None);
            let mut fields = Fields::new(bytes);
            while let Ok(Some(field)) = fields.next_field() {
                match field.number {
                    1 if !matches!(classify(key_desc, field.payload), FieldClass::Absent) => key = Some(field.payload),
                    2 if !matches!(classify(value_desc, field.payload), FieldClass::Absent) => {
                        value = Some(field.payload)
                    }
                    _ => {}
                }
            }
            self.comma_since(before);
            self.map_key(key_desc.kind, key.unwrap_or(zero(key_desc.kind)));
            self.out.push(b':');
            match (value, value_desc.kind) {
                (Some(value), kind) => self.value(kind, value, depth + 1),
                // `prost` writes no default value of an entry, not even one with required fields.
                (None, Kind::Message(desc)) => {
                    Writer { out: self.out, entries: Vec::new() }.object(desc, &zero_message(desc), depth + 1);
                }
                (None, kind) => self.value(kind, zero(kind), depth + 1),
            }
        }
        self.out.push(b'}');
    }

    fn map_key(&mut self, kind: Kind, payload: Payload<'a>) {
        if matches!(kind, Kind::String) {
            return self.value(kind, payload, 0);
        }
        self.out.push(b'"');
        self.value(kind, payload, 0);
        self.out.push(b'"');
    }

    fn value(&mut self, kind: Kind, payload: Payload<'a>, depth: usize) {
        match (kind, payload) {
            (Kind::Bool, Payload::Varint(v)) => self.out.extend_from_slice(if v == 0 { b"false" } else { b"true" }),
            (Kind::Int32, Payload::Varint(v)) => self.integer(v as i32),
            (Kind::Int64, Payload::Varint(v)) => self.integer(v as i64),
            (Kind::Uint32, Payload::Varint(v)) => self.integer(v as u32),
            (Kind::Uint64, Payload::Varint(v)) => self.integer(v),
            (Kind::Enum(desc), Payload::Varint(v)) => self.quoted(enum_name(desc, v).unwrap_or_default()),
            (Kind::Double, Payload::Fixed64(bytes)) => write_f64(f64::from_le_bytes(bytes), self.out),
            (Kind::Float, Payload::Fixed32(bytes)) => write_f64(f64::from(f32::from_le_bytes(bytes)), self.out),
            (Kind::String, Payload::Bytes(bytes)) => write_string(&String::from_utf8_lossy(bytes), self.out),
            (Kind::Bytes, Payload::Bytes(bytes)) => self.base64(bytes),
            (Kind::Message(desc), Payload::Bytes(bytes)) => self.object(desc, bytes, depth + 1),
            (Kind::Duration, Payload::Bytes(bytes)) => self.duration(bytes),
            // `index` records no other pair.
            _ => self.out.extend_from_slice(b"null"),
        }
    }

    /// Writes a `google.protobuf.Duration`. In proto3 zero means absence, so zero is not printed.
    fn duration(&mut self, bytes: &[u8]) {
        let mut values = [0i64; 2];
        let mut fields = Fields::new(bytes);
        while let Ok(Some(field)) = fields.next_field() {
            match (field.number, field.payload) {
                (1, Payload::Varint(v)) => values[0] = v as i64,
                (2, Payload::Varint(v)) => values[1] = i64::from(v as i32),
                _ => {}
            }
        }
        self.out.push(b'{');
        let before = self.out.len();
        for (field, value) in DURATION.fields.iter().zip(values) {
            if value != 0 {
                self.comma_since(before);
                self.key(field.name);
                self.integer(value);
            }
        }
        self.out.push(b'}');
    }

    fn default(&mut self, field: &FieldDescriptor) {
        match field.default {
            Some(DefaultValue::Bool(v)) => self.out.extend_from_slice(if v { b"true" } else { b"false" }),
            Some(DefaultValue::Integer(v)) => self.integer(v),
            Some(DefaultValue::Double(v)) => write_f64(v, self.out),
            Some(DefaultValue::String(v)) => write_string(v, self.out),
            Some(DefaultValue::Enum(v)) => self.quoted(v),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    fn key(&mut self, name: &str) {
        self.quoted(name);
        self.out.push(b':');
    }

    /// Writes a name in quotes. Names of fields and enum values need no escapes.
    fn quoted(&mut self, name: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
    }

    fn integer(&mut self, value: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        // Encoding cannot fail: the padded length is exactly the length of the slice.
        let _ = STANDARD.encode_slice(bytes, &mut self.out[start..]);
        self.out.push(b'"');
    }

    fn comma_since(&mut self, before: usize) {
        if self.out.len() > before {
            self.out.push(b',');
        }
    }
}

/// Returns whether an unset field is printed: Mesos prints it if it has an explicit default, unless it is deprecated.
fn prints_default(field: &FieldDescriptor) -> bool {
    field.default.is_some() && !field.deprecated && field.label != Label::Repeated
}

fn is_packable(kind: Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Map(_) | Kind::Duration)
}

fn next_packed<'a>(kind: Kind, rest: &mut Fields<'a>) -> Option<Payload<'a>> {
    match kind {
        Kind::Double => {
            let (bytes, tail) = rest.rest.split_first_chunk::<8>()?;
            rest.rest = tail;
            Some(Payload::Fixed64(*bytes))
        }
        Kind::Float => {
            let (bytes, tail) = rest.rest.split_first_chunk::<4>()?;
            rest.rest = tail;
            Some(Payload::Fixed32(*bytes))
        }
        _ if rest.rest.is_empty() => None,
        _ => rest.varint().ok().map(Payload::Varint),
    }
}

/// Returns the value of an absent half of a map entry.
fn zero(kind: Kind) -> Payload<'static> {
    match kind {
        Kind::Double => Payload::Fixed64([0; 8]),
        Kind::Float => Payload::Fixed32([0; 4]),
        Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Map(_) | Kind::Duration => Payload::Bytes(&[]),
        Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Enum(_) => Payload::Varint(0),
    }
}
