//! The edge of a process: everything between the network and a core, shared by masters and agents.
//!
//! | module | owns |
//! | --- | --- |
//! | [`connections`] | sockets: accepting, reading and writing with deadlines and budgets |
//! | [`http`] | requests, routing, responses, event streams |
//! | [`libprocess`] | messages in both directions: receipts for incoming ones, links for outgoing ones |
//! | [`core_thread`] | the thread that runs a core: its inbox, its timers, its effects |
//! | [`endpoints`] | endpoints that both programs have: files, metrics, version, logging |
//! | [`readers`] | expensive reads: shared builds, rate limits, durations |
//! | [`app`] | what the edge needs to know about the program that it serves |
//! | [`limits`] | every bound |
//! | [`start`] | from an address to a running server |

pub mod app;
pub mod connections;
pub mod core_thread;
pub mod endpoints;
mod error;
pub mod http;
pub mod libprocess;
pub mod limits;
pub mod readers;
mod running;
mod runtime;
pub mod start;

pub use error::Error;
pub use running::{Ended, Running};
pub use runtime::runtime;
