//! Protobuf: untrusted bytes are checked against the schema, then decoded by `prost`.

mod check;
mod decode;
mod encode;
mod encoded_fields;
mod error;
mod map_values;
mod missing_fields;
mod parts;
mod rewrite;
pub(crate) mod scan;
mod set_fields;
#[cfg(test)]
mod tests;

pub(crate) use check::check;
pub use decode::{decode, decode_message};
pub use encode::{encode, encode_message, encode_with_list};
pub use encoded_fields::{EncodedField, encoded_fields, split_fields};
pub use error::DecodeError;
pub(crate) use map_values::zero_message;
pub use parts::MessageParts;
pub use set_fields::{FieldVisit, SetField, visit_set_fields};
