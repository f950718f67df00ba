//! The long-running programs: they translate flags into options and run a master, an agent or a local cluster.

mod agent;
mod agent_gpus;
mod agent_isolation;
mod agent_networks;
mod agent_resources;
mod common;
mod container_logger;
#[cfg(test)]
mod invalid_values_tests;
mod local;
mod master;
mod node_cleanup;
mod oversubscription;
mod parent_death;

pub use agent::agent;
pub use local::local;
pub use master::master;
pub use node_cleanup::node_cleanup;
