//! Hosts a master core: its HTTP APIs, libprocess messages, views, registry and election.

mod allocator_timings;
mod app;
mod candidate;
mod endpoints;
mod error;
mod explain;
mod failures;
mod host;
mod master_service;
mod node_cleanup;
mod offer_constraints;
mod operator_api;
mod options;
mod partitions;
mod publisher;
mod redirect;
mod registrar;
mod registry_endpoint;
mod scheduler_api;
mod scheduler_streams;
mod start;
mod term;
mod unread_registry;
mod v0_endpoints;
mod v0_operator_endpoints;
mod v0_reservation_endpoints;
mod whitelist;

pub use self::failures::{InvalidSinks, SinkOptions};
pub use error::Error;
pub use node_cleanup::{COMMAND as NODE_CLEANUP, NodeCleanupError, run as run_node_cleanup};
pub use options::MasterOptions;
pub use registrar::RegistryBackend;
pub use start::start;
