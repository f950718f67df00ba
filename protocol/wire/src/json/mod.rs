//! Mesos JSON: field names as declared, enum names, base64 bytes, 64-bit integers as numbers, explicit defaults
//! printed.
//!
//! Both directions go through the protobuf bytes and the tables of `messages::schema`, so there is one writer and one
//! reader for all messages.

mod read;
mod scalars;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub use read::{JsonError, decode, decode_list, read_bytes};
pub use scalars::{write_f64, write_string};
pub use write::{encode, write, write_bytes};
