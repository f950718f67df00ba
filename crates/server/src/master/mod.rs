//! Hosts a master core: its HTTP APIs, its messages, its views.

mod app;
mod campaign;
mod explain;
mod failures;
mod host;
mod last_will;
mod left_behind;
mod legacy;
mod operator_api;
mod options;
mod partitions;
mod policy;
mod post;
mod publisher;
mod reservations;
mod routes;
mod scheduler_api;
mod sessions;
mod start;
mod store;
mod term;
mod timings;
mod whitelist;

pub use failures::{InvalidSinks, SinkOptions};
pub use last_will::{COMMAND as LAST_WILL, WillError, execute as execute_last_will};
pub use options::MasterOptions;
pub use start::start;
pub use store::RegistryPlace;
