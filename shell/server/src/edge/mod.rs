//! What masters and agents share: connections, HTTP, libprocess in both directions, event streams, and the thread
//! that runs a core.

pub mod app;
pub mod budget;
mod bulk_offload;
pub mod call;
pub mod connection;
pub mod core_thread;
pub mod effect_handler;
pub mod host_interpreter;
mod http;
mod io;
pub mod limits;
pub mod links;
pub mod listener;
pub mod message;
mod message_response;
pub mod ndjson;
pub mod queue;
pub mod request;
pub mod respond;
pub mod route;
pub mod stream;
mod timers;
