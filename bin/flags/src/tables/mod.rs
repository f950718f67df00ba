//! The flags of each program, by section.

mod address;
mod agent;
mod agent_network;
mod execute;
mod limits;
mod local;
mod logging;
mod master;
mod programs;
mod reasons;

pub use address::AddressFlags;
pub use agent::AgentFlags;
pub use agent_network::NetworkIsolationFlags;
pub use execute::ExecuteFlags;
pub use local::LocalFlags;
pub use logging::LoggingFlags;
pub use master::MasterFlags;
pub use programs::DEFINITIONS;
