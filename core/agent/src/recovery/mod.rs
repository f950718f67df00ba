//! An agent after a restart: from records and what still runs to the state it had.
//!
//! | module | owns |
//! | --- | --- |
//! | `recovered_state` | what all records say together; also the shortest list of records that says the same |
//! | `checkpointed` | the plain data of it |
//! | `history` | what has run here before |
//! | `compatibility` | whether an agent may go on under its id although its description has changed |
//! | `recover` | frameworks, executors, tasks and updates as they were |
//! | `executor_recovery` | which executors have yet to come back |
//! | `reconnect` | waiting for executors to come back, and the end of it |

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
