//! Peers over HTTP: a client that shows what a server sends, a scheduler over the v1 API in JSON, a server that follows a
//! script, and requests that block.

mod blocking;
mod client;
mod scheduler;
mod scripted_server;

pub use blocking::{BlockingResponse, get_blocking};
pub use client::{Client, JSON, Response, call, get, post, request};
pub use scheduler::Scheduler;
pub use scripted_server::{
    Request, ScriptedServer, accepted, event_stream, open_event_stream, protobuf_response, response,
};
