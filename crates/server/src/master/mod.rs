//! Hosts a master core: its HTTP APIs, its messages, its views.

mod app;
mod campaign;
mod explain;
mod host;
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

pub use options::MasterOptions;
pub use start::start;
pub use store::RegistryPlace;
