//! libprocess: how Mesos processes send each other messages. A message is one HTTP/1.1 POST request to `/<process
//! id>/<message name>`; its response has no meaning and is dropped.

mod body;
mod envelope;
mod head_scanner;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use body::BodyError;
pub use envelope::{EnvelopeError, encode_message, is_message, parse_path, sender};
pub use request::{EnvelopeLimits, Received, RequestDecoder, RequestError};
pub use response::{ResponseError, ResponseSkipper};
