//! The processes: real cores in a simulated shell, and simulated peers around them.

mod agent;
mod driver;
mod holdings;
mod machine;
mod master;
mod operator;
mod scheduler;

pub use agent::AgentHost;
pub use holdings::{RESERVED, is_final, label, persistence};
pub use master::{Leading, MasterHost};
pub use operator::{call as operator_call, deed as operator_deed};
pub use scheduler::SchedulerHost;
