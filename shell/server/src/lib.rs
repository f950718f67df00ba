//! The I/O shell: HTTP, libprocess links, timers, disks; hosts a master or an agent core.
//!
//! | module | owns |
//! | --- | --- |
//! | `edge` | what both share: connections, HTTP, messages in both directions, event streams, the core's thread |
//! | `common` | endpoints both have: files, metrics, version, logging |
//! | [`master`] | a master core and its APIs |
//! | [`agent`] | an agent core and its APIs, containers, sandboxes |

pub mod agent;
mod common;
mod edge;
mod error;
pub mod master;
mod running;
mod runtime;
mod start;

pub use error::Error;
pub use running::{Ended, Running};
pub use runtime::runtime;
