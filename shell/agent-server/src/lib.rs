//! Hosts an agent core: its HTTP APIs, libprocess messages, containers, sandboxes and records.

mod app;
mod container_calls;
mod containers;
mod deliveries;
mod detector;
mod docker;
mod endpoints;
mod error;
mod executor_api;
mod fetch;
mod host;
mod images;
mod launch;
mod logger;
mod machine_resources;
mod media_types;
mod networks;
mod operator_api;
mod options;
mod perf_statistics;
mod publisher;
mod reads;
mod requests;
mod sandbox;
mod sessions;
mod start;
mod store;
mod unacknowledged_updates;
mod usage;
mod volumes;
mod worker;

pub use containers::ContainerizerName;
pub use docker::DockerOptions;
pub use error::Error;
pub use fetch::FetchOptions;
pub use images::{ImageGcConfig, ImageOptions, InvalidGcConfig};
pub use launch::ports;
pub use logger::{ContainerLogger, set_options, set_size};
pub use machine_resources::{MachineResources, detect as detect_resources};
pub use options::{AgentOptions, ExecutorProgram};
pub use sessions::input::check as check_attach_record;
pub use start::start;

/// The log of an agent's records, for benchmarks.
pub mod records {
    pub use crate::store::{OpenedLog, Records, open};
}
