//! The codecs: Mesos JSON, RecordIO, the libprocess envelope, and the checks on untrusted bytes. The crate turns
//! bytes into messages and back, within limits, and does no I/O.
//!
//! | module | owns |
//! | --- | --- |
//! | [`decode`], [`decode_message`], [`encode`] | protobuf bytes to and from messages, with checks that `prost` omits |
//! | [`MessageParts`] | messages assembled from encoded fields |
//! | [`encoded_fields`], [`split_fields`] | the fields of a message that is kept encoded |
//! | [`visit_set_fields`] | which fields of a message are set |
//! | [`json`] | Mesos JSON, which is not proto3 JSON |
//! | [`recordio`], [`StreamEvent`] | the framing of event streams, and what they carry |
//! | [`http`] | responses of HTTP/1.1, for clients that have no runtime |
//! | [`libprocess`] | the messages between processes: one HTTP request each |
//! | [`v0`] | the only v0 message whose bytes differ from v1 |
//! | [`accept`], [`ContentType`] | which of the two encodings a client sends and wants |

pub mod accept;
mod content_type;
pub mod http;
pub mod json;
pub mod libprocess;
mod limits;
mod protobuf;
pub mod recordio;
mod stream_event;
pub mod v0;

pub use content_type::{BodyError, ContentType, decode_as, encode_as};
pub use limits::Limits;
pub use protobuf::{
    DecodeError, EncodedField, FieldVisit, MessageParts, SetField, decode, decode_message, encode, encode_message,
    encode_with_list, encoded_fields, split_fields, visit_set_fields,
};
pub use stream_event::StreamEvent;
