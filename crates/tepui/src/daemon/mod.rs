//! The long-running programs: from flags to a running master, agent or local cluster.

mod agent;
mod common;
mod local;
mod machine;
mod master;
mod oversubscription;
mod removal;

pub use agent::agent;
pub use local::local;
pub use master::master;
