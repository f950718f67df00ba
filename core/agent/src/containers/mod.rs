//! The containers that executors run in.
//!
//! | module | owns |
//! | --- | --- |
//! | `environment` | the environment that an executor starts with |
//! | `limits` | the upper bounds of a container's resources |
//! | `events` | what follows when a container comes up or ends |

pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod limits;
