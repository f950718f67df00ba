//! A valid message of any type, made by its table from arbitrary bytes: the same bytes make the same message.

use messages::schema::{FieldDescriptor, Kind, Label, MessageDescriptor};

/// Below this depth only required fields are made, so that recursive types end.
const MAX_DEPTH: usize = 5;

pub fn message(desc: &MessageDescriptor, entropy: &[u8]) -> Vec<u8> {
    Source { entropy, position: 0 }.message(desc, 0)
}

struct Source<'a> {
    entropy: &'a [u8],
    position: usize,
}

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let byte = self.entropy.get(self.position).copied().unwrap_or(0);
        self.position += 1;
        byte
    }

    fn number(&mut self) -> u64 {
        match self.byte() {
            byte @ 0..=200 => u64::from(byte),
            _ => (0..8).fold(0, |sum, _| sum << 8 | u64::from(self.byte())),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        let length = self.byte() % 6;
        let mut text = String::new();
        for _ in 0..length {
            text.push(char::from(self.byte()));
        }
        text.into_bytes()
    }

    fn message(&mut self, desc: &MessageDescriptor, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for field in desc.fields {
            for _ in 0..self.occurrences(field, depth) {
                self.field(field, depth, &mut out);
            }
        }
        out
    }

    fn occurrences(&mut self, field: &FieldDescriptor, depth: usize) -> usize {
        let exhausted = self.position >= self.entropy.len() || depth >= MAX_DEPTH;
        match field.label {
            Label::Required => 1,
            _ if exhausted => 0,
            // A map has each key once; several occurrences would be merged.
            Label::Optional => usize::from(self.byte() < 85),
            Label::Repeated if matches!(field.kind, Kind::Map(_)) => usize::from(self.byte() < 128),
            Label::Repeated => usize::from(self.byte() % 6).saturating_sub(2),
        }
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize, out: &mut Vec<u8>) {
        let (wire, payload) = match field.kind {
            Kind::Bool => (0, varint(u64::from(self.byte() & 1))),
            Kind::Int32 => (0, varint(i64::from(self.number() as i32) as u64)),
            Kind::Uint32 => (0, varint(u64::from(self.number() as u32))),
            Kind::Int64 | Kind::Uint64 => (0, varint(self.number())),
            Kind::Enum(desc) => {
                let (number, _) = desc.values[usize::from(self.byte()) % desc.values.len()];
                (0, varint(i64::from(number) as u64))
            }
            Kind::Double => (1, self.double().to_le_bytes().to_vec()),
            Kind::Float => (5, (self.double() as f32).to_le_bytes().to_vec()),
            Kind::String | Kind::Bytes => (2, delimited(self.text())),
            Kind::Message(desc) => (2, delimited(self.message(desc, depth + 1))),
            Kind::Map(entry) => {
                let mut bytes = Vec::new();
                for half in entry.fields {
                    self.field(half, depth, &mut bytes);
                }
                (2, delimited(bytes))
            }
            Kind::Duration => {
                let mut bytes = varint(1 << 3);
                bytes.extend(varint(self.number() >> 1));
                (2, delimited(bytes))
            }
        };
        out.extend(varint(u64::from(field.number) << 3 | wire));
        out.extend(payload);
    }

    /// Equal to itself: NaN is tested apart.
    fn double(&mut self) -> f64 {
        let value = match self.byte() % 3 {
            0 => f64::from(self.byte()),
            1 => f64::from(self.byte()) / 8.0,
            _ => f64::from_bits(self.number()),
        };
        if value.is_nan() { 0.5 } else { value }
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn delimited(bytes: Vec<u8>) -> Vec<u8> {
    let mut out = varint(bytes.len() as u64);
    out.extend(bytes);
    out
}
