//! The containers that executors run in, and those that are launched by calls.
//!
//! | module | owns |
//! | --- | --- |
//! | `environment` | the environment that an executor starts with |
//! | `limits` | the upper bounds of a container's resources |
//! | `events` | the consequences of the start and the end of a container |
//! | `nested` | nested and standalone containers |

pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod limits;
pub(crate) mod nested;

pub use nested::RecoveredNested;
