//! Failures for people and programs outside.
//!
//! | module | owns |
//! | --- | --- |
//! | `api` | `GET /failures`: those there are, and a stream of those to come |
//! | `watchers` | who follows the stream |
//! | `config` | `--failure_sinks` |
//! | `sinks` | from news to the queue of each sink |
//! | `webhook` | a POST with a signature, repeated until it is taken |
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
