//! What masters and agents share: connections, HTTP, libprocess in both directions, event streams, and the thread
//! that runs a core.

pub mod app;
pub mod budget;
pub mod call;
pub mod connection;
pub mod core_thread;
mod date;
pub mod desk;
mod http;
mod io;
pub mod limits;
pub mod lines;
pub mod links;
pub mod listener;
pub mod message;
pub mod queue;
pub mod request;
pub mod respond;
mod roaming;
pub mod route;
pub mod stream;
mod timers;
