//! Hosts an agent core: its HTTP APIs, its messages, containers, sandboxes.

mod app;
mod containers;
mod detector;
mod executor_api;
mod fetch;
mod host;
mod last_words;
mod launch;
mod machine;
mod media;
mod operator_api;
mod options;
mod publisher;
mod routes;
mod sandbox;
mod start;
mod store;
mod unsupported;
mod usage;
mod volumes;

pub use fetch::FetchOptions;
pub use machine::{Machine, detect};
pub use options::{AgentOptions, ExecutorProgram};
pub use start::start;
