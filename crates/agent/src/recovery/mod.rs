//! An agent after a restart: from records and what still runs to the state it had.
//!
//! | module | owns |
//! | --- | --- |
//! | `chronicle` | what all records say together; also the shortest list of records that says the same |
//! | `logged` | the plain data of it |
//! | `history` | what has run here before |
//! | `compatibility` | whether an agent may go on under its id although its description has changed |
//! | `rebuild` | frameworks, executors, tasks and updates as they were |
//! | `reconnect` | waiting for executors to come back, and the end of it |

mod chronicle;
mod compatibility;
mod history;
mod logged;
mod rebuild;
mod reconnect;

pub use chronicle::Chronicle;
pub use compatibility::{Incompatible, ReconfigurationPolicy};
pub use rebuild::Recovery;
pub(crate) use reconnect::Recovering;

#[cfg(test)]
mod tests;
