//! Executors: what the agent remembers of them, and the two protocols they speak.
//!
//! | module | owns |
//! | --- | --- |
//! | `executor` | what the agent remembers of one executor |
//! | `command_executor` | the executor that the agent makes up for a task that is a single command |
//! | `http` | the v1 executor API |
//! | `driver` | the v0 driver protocol over libprocess |
//! | `messages` | what an executor is sent, in either protocol |

pub(crate) mod command_executor;
pub(crate) mod driver;
pub(crate) mod executor;
pub(crate) mod http;
pub(crate) mod messages;
