//! The two protocols of executors, and the executor of a single command.
//!
//! | module | owns |
//! | --- | --- |
//! | `command_executor` | the executor that the agent generates for a task that is a single command |
//! | `http` | the v1 executor API |
//! | `driver` | the v0 driver protocol over libprocess |
//! | `heartbeats` | the HEARTBEAT events of executors that speak HTTP |
//! | `messages` | what an executor is sent, in either protocol |

pub(crate) mod command_executor;
pub(crate) mod driver;
pub(crate) mod heartbeats;
pub(crate) mod http;
pub(crate) mod messages;
