//! The processes: real cores in a simulated shell, and simulated peers around them.

mod agent;
mod machine;
mod master;
mod scheduler;

pub use agent::AgentHost;
pub use master::MasterHost;
pub use scheduler::SchedulerHost;
