//! The recovery of an agent after a restart. It restores the state of the earlier process from records and running
//! containers.
//!
//! | module | owns |
//! | --- | --- |
//! | `recovered_state` | the state that all records describe; also the shortest list of records that describes it |
//! | `checkpointed` | the plain data of it |
//! | `history` | executors that ended before |
//! | `compatibility` | whether an agent may continue under its id although its description has changed |
//! | `recover` | frameworks, executors, tasks and updates as they were |
//! | `executor_recovery` | which executors have yet to come back |
//! | `reconnect` | the wait for executors to reconnect, and its end |

mod checkpointed;
mod compatibility;
mod executor_recovery;
mod history;
pub(crate) mod reconnect;
pub(crate) mod recover;
mod recovered_state;

pub use compatibility::{Incompatible, ReconfigurationPolicy};
pub(crate) use executor_recovery::ExecutorRecovery;
pub use recover::Recovery;
pub use recovered_state::RecoveredState;

#[cfg(test)]
mod tests;
