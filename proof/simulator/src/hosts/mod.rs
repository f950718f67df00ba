//! The processes: real cores in a simulated shell, and simulated peers around them.

mod agent;
mod driver;
mod machine;
mod master;
mod operator;
mod scheduler;
mod scheduler_operations;

pub use agent::AgentHost;
pub use master::{Leading, MasterHost};
pub use operator::{call as operator_call, released_by as operator_release};
pub use scheduler::SchedulerHost;
pub use scheduler_operations::{RESERVED, is_final, label, persistence};
