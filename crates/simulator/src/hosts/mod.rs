//! The processes: real cores in a simulated shell, and simulated peers around them.

mod agent;
mod machine;
mod master;
mod operator;
mod scheduler;

pub use agent::AgentHost;
pub use master::{Leading, MasterHost};
pub use operator::call as operator_call;
pub use scheduler::SchedulerHost;
