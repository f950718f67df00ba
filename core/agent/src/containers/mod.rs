//! The containers that executors run in, and those that are launched by calls.
//!
//! | module | owns |
//! | --- | --- |
//! | `environment` | the environment that an executor starts with |
//! | `limits` | the upper bounds of a container's resources |
//! | `events` | the consequences of the start and the end of a container |
//! | `nested` | nested and standalone containers |
//! | `networks` | the networks of containers that do not use that of the agent |

pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod limits;
pub(crate) mod nested;
pub(crate) mod networks;

pub use nested::RecoveredNested;
