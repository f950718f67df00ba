//! What travels: Mesos JSON, RecordIO, the libprocess envelope and the checks on untrusted bytes; pure bytes in, bytes
//! out, with limits.
//!
//! | module | owns |
//! | --- | --- |
//! | [`decode`], [`decode_message`], [`encode`] | protobuf bytes to and from messages, with the checks `prost` does not make |
//! | [`json`] | Mesos JSON, which is not proto3 JSON |
//! | [`recordio`], [`StreamEvent`] | the framing of event streams, and what they carry |
//! | [`libprocess`] | the messages between processes: one HTTP request each |
//! | [`v0`] | the only v0 message whose bytes differ from v1 |
//! | [`accept`], [`ContentType`] | which of the two encodings a client sends and wants |
//! | [`media`] | the same for an agent's calls, which may be streams |

pub mod accept;
mod content_type;
pub mod json;
pub mod libprocess;
mod limits;
pub mod media;
mod protobuf;
pub mod recordio;
mod stream_event;
pub mod v0;

pub use content_type::{BodyError, ContentType, decode_as, encode_as};
pub use limits::Limits;
pub use protobuf::{DecodeError, decode, decode_message, encode, encode_message, encode_with_list};
pub use stream_event::StreamEvent;
