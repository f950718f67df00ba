//! HTTP: requests, endpoints, calls, responses and event streams.

pub mod action;
pub mod body;
pub mod call;
pub mod endpoint;
pub mod request;
pub mod respond;
pub(crate) mod serve;
pub mod stream;
