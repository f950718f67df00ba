//! The containers that executors run in.
//!
//! | module | owns |
//! | --- | --- |
//! | `environment` | the environment that an executor starts with |
//! | `limits` | the upper bounds of a container's resources |
//! | `events` | the consequences of the start and the end of a container |

pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod limits;
