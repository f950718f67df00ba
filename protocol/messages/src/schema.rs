//! Static descriptors of every message, generated from `proto/` by `build.rs`.
//!
//! The descriptors drive the code that is the same for all messages: the Mesos JSON reader and writer, the check of
//! `required` fields, and the limits on size and depth.

/// A message type and its fields in declaration order (the order JSON prints them in).
#[derive(Debug)]
pub struct MessageDescriptor {
    /// The full protobuf name: `mesos.v1.TaskInfo`.
    pub name: &'static str,
    /// The size of the Rust value in bytes, without what it points to; for a map's entry, the size of its key and its
    /// value.
    pub size: usize,
    /// Whether a value may contain, at any depth, a map whose values are messages.
    pub has_maps_of_messages: bool,
    /// The fields in declaration order, which is the order JSON prints them in.
    pub fields: &'static [FieldDescriptor],
}

/// One field of a message.
#[derive(Debug)]
pub struct FieldDescriptor {
    /// The number on the wire.
    pub number: u32,
    /// The name in JSON.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// The number of times that it occurs.
    pub label: Label,
    /// The explicit default of the `.proto` file; `None` if it has none.
    pub default: Option<DefaultValue>,
    /// Whether the `.proto` file marks it as deprecated.
    pub deprecated: bool,
}

/// The number of times that a field occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Exactly once.
    Required,
    /// At most once.
    Optional,
    /// Any number of times.
    Repeated,
}

/// The type of a field's values.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `bool`.
    Bool,
    /// `bytes`.
    Bytes,
    /// `double`.
    Double,
    /// `float`.
    Float,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
    /// `string`.
    String,
    /// An enum.
    Enum(&'static EnumDescriptor),
    /// A message.
    Message(&'static MessageDescriptor),
    /// A map field; the descriptor is that of its synthetic entry (key 1, value 2).
    Map(&'static MessageDescriptor),
    /// `google.protobuf.Duration`.
    Duration,
}

/// An enum type and its values.
#[derive(Debug)]
pub struct EnumDescriptor {
    /// The full protobuf name.
    pub name: &'static str,
    /// Number and name, in declaration order.
    pub values: &'static [(i32, &'static str)],
}

/// The explicit default of a field.
#[derive(Debug, Clone, Copy)]
pub enum DefaultValue {
    /// The default of a `bool`.
    Bool(bool),
    /// The default of an integer of any size.
    Integer(i64),
    /// The default of a `double` or a `float`.
    Double(f64),
    /// The default of a `string`.
    String(&'static str),
    /// The default of an enum: the name of the value.
    Enum(&'static str),
}

/// A generated message that knows its descriptor.
pub trait HasDescriptor: prost::Message + Default {
    /// Returns the descriptor of the message type.
    fn desc() -> &'static MessageDescriptor;
}

impl MessageDescriptor {
    /// Returns the field of this number.
    pub fn by_number(&self, number: u32) -> Option<&FieldDescriptor> {
        // Fields are nearly always numbered 1..n in order, so the guess hits first.
        match self.fields.get(number.wrapping_sub(1) as usize) {
            Some(field) if field.number == number => Some(field),
            _ => self.fields.iter().find(|f| f.number == number),
        }
    }

    /// Returns the field of this name.
    pub fn by_name(&self, name: &str) -> Option<&FieldDescriptor> {
        self.fields.iter().find(|f| f.name == name)
    }
}

impl EnumDescriptor {
    /// Returns the name of a value.
    pub fn name_of(&self, number: i32) -> Option<&'static str> {
        self.values.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
    }

    /// Returns the value of this name.
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
