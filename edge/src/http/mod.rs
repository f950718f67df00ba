//! HTTP: requests, routing, calls, responses, event streams.

pub mod call;
pub mod ndjson;
pub mod request;
pub mod respond;
pub mod route;
pub(crate) mod serve;
pub mod stream;
