//! The flags of each program, by section.

mod agent;
mod agent_network;
mod common;
mod execute;
mod local;
mod master;

pub use agent::AGENT;
pub use execute::EXECUTE;
pub use local::LOCAL;
pub use master::MASTER;
