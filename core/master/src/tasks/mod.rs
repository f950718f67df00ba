//! Tasks and executors.
//!
//! | module | owns |
//! | --- | --- |
//! | `index` | the set of all tasks and executors |
//! | `agent_usage` | what frameworks have on one agent |
//! | `task` | one task |
//! | `lifecycle` | how a task is added, changes its state, and is removed |
//! | `history` | unreachable and recently completed tasks |
//! | `updates` | status updates of agents and their acknowledgement |
//! | `master_generated` | status updates that the master generates itself |
//! | `executors` | executors, and messages between them and frameworks |

mod agent_usage;
mod executors;
mod history;
mod index;
mod lifecycle;
mod master_generated;
pub(crate) mod task;
mod updates;

pub(crate) use agent_usage::AgentUsage;
pub(crate) use executors::{
    add_executor, executor_message, exited_executor, framework_message, remove_executor, shutdown_executor,
};
pub(crate) use index::Tasks;
pub(crate) use lifecycle::{add_task, forward_master_generated, refuse_task, terminate_task};
pub(crate) use master_generated::{MasterGenerated, master_generated_update};
pub(crate) use task::{Task, is_terminal_or_unreachable};
pub(crate) use updates::{acknowledge, status_update};
