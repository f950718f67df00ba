//! Reports incidents to people and programs outside the cluster.
//!
//! | module | owns |
//! | --- | --- |
//! | `api` | `GET /failures`: the known incidents, and a stream of later changes |
//! | `watchers` | the followers of the stream |
//! | `config` | `--failure_sinks` |
//! | `sinks` | from updates of incidents to the queue of each sink |
//! | `webhook` | a POST with a signature, repeated until it is accepted |
//! | `exec_sink` | a command of the operator |

pub mod api;
mod config;
mod exec_sink;
mod sinks;
mod watchers;
mod webhook;

pub use config::{InvalidSinks, SinkOptions};
pub use sinks::Sinks;
pub use watchers::{Watcher, Watchers};
