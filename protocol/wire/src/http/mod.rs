//! Responses of HTTP/1.1 (RFC 9112), decoded while they arrive. They serve clients that wait with poll(2), where hyper
//! would cost a runtime.
//!
//! | module | owns |
//! | --- | --- |
//! | `chunked` | [`Chunked`], the chunked transfer coding |
//! | `head` | [`ResponseHead`], the status line and the headers |
//! | `response` | [`Response`], a whole response |

mod chunked;
mod head;
mod response;

pub use chunked::{BadChunk, Chunked};
pub use head::{InvalidHead, MAX_HEAD, ResponseHead, parse_head};
pub use response::{InvalidResponse, Response};
