//! The default executor: runs groups of tasks (pods) as nested containers of its own container, by calls to the agent.
//!
//! | module | owns |
//! | --- | --- |
//! | `actions` | the inputs and results of the decisions: requests, replies, timers, actions; pure |
//! | `executor` | the decisions about events, acknowledgements and timers; pure |
//! | `container` | the state of one task and its container; pure |
//! | `launching` | LAUNCH_GROUP, and the answers to launches; pure |
//! | `launch_call` | the LAUNCH_CONTAINER call of a task; pure |
//! | `killing` | kills with their grace periods, and the end of the executor; pure |
//! | `waiting` | the ends of containers, and their consequences for the group; pure |
//! | `checking` | the checks and health checks of tasks; pure |
//! | `command_check` | one check by a command, which runs in a nested container of the task's; pure |
//! | `agent_requests` | the requests to the agent's API that are in flight |
//! | `run` | the loop that ties them together |

mod actions;
mod agent_requests;
mod checking;
mod command_check;
mod container;
mod executor;
mod killing;
mod launch_call;
mod launching;
mod run;
mod waiting;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub(crate) use actions::{Action, Timer};
pub(crate) use executor::DefaultExecutor;
pub use run::main;
