//! Static descriptors of every message, generated from `proto/` by `build.rs`.
//!
//! They drive everything that is the same for all messages: the Mesos JSON reader
//! and writer, the check of `required` fields, and the limits on size and depth.

/// A message type and its fields in declaration order (the order JSON prints them in).
#[derive(Debug)]
pub struct MessageDescriptor {
    /// The full protobuf name: `mesos.v1.TaskInfo`.
    pub name: &'static str,
    /// Bytes of the Rust value, without what it points to; of a map's entry, bytes of its key and its value.
    pub size: usize,
    /// The fields in declaration order, which is the order JSON prints them in.
    pub fields: &'static [FieldDescriptor],
}

#[derive(Debug)]
pub struct FieldDescriptor {
    pub number: u32,
    pub name: &'static str,
    pub kind: Kind,
    pub label: Label,
    pub default: Option<DefaultValue>,
    pub deprecated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Required,
    Optional,
    Repeated,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Bool,
    Bytes,
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    String,
    Enum(&'static EnumDescriptor),
    Message(&'static MessageDescriptor),
    /// A map field; the descriptor is that of its synthetic entry (key 1, value 2).
    Map(&'static MessageDescriptor),
    /// `google.protobuf.Duration`.
    Duration,
}

#[derive(Debug)]
pub struct EnumDescriptor {
    pub name: &'static str,
    /// Number and name, in declaration order.
    pub values: &'static [(i32, &'static str)],
}

#[derive(Debug, Clone, Copy)]
pub enum DefaultValue {
    Bool(bool),
    Integer(i64),
    Double(f64),
    String(&'static str),
    Enum(&'static str),
}

/// A generated message that knows its descriptor.
pub trait HasDescriptor: prost::Message + Default {
    fn desc() -> &'static MessageDescriptor;
}

impl MessageDescriptor {
    pub fn by_number(&self, number: u32) -> Option<&FieldDescriptor> {
        // Fields are nearly always numbered 1..n in order, so the guess hits first.
        match self.fields.get(number.wrapping_sub(1) as usize) {
            Some(field) if field.number == number => Some(field),
            _ => self.fields.iter().find(|f| f.number == number),
        }
    }

    pub fn by_name(&self, name: &str) -> Option<&FieldDescriptor> {
        self.fields.iter().find(|f| f.name == name)
    }
}

impl EnumDescriptor {
    pub fn name_of(&self, number: i32) -> Option<&'static str> {
        self.values.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
    }

    pub fn number_of(&self, name: &str) -> Option<i32> {
        self.values.iter().find(|(_, n)| *n == name).map(|(number, _)| *number)
    }
}

#[allow(clippy::all, dead_code)]
mod generated {
    use super::*;
    include!(concat!(env!("OUT_DIR"), "/schema.rs"));
}

pub use generated::ALL_MESSAGES;
