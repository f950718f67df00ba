//! The long-running programs: from flags to a running master, agent or local cluster.

mod agent;
mod common;
mod companion;
mod last_will;
mod local;
mod machine;
mod master;
mod oversubscription;
mod removal;

pub use agent::agent;
pub use last_will::last_will;
pub use local::local;
pub use master::master;
