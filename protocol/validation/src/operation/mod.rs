//! Operations on resources: their form, and whether they may be done by who asks, on the agent meant.
//!
//! Whether the resources are there is not judged here: applying the conversion tells.

mod context;
mod disks;
mod reservations;
mod syntax;
mod validate;
mod volumes;

pub use context::{Context, OperationAgent, OperationFramework};
pub use syntax::validate_syntax;
pub use validate::validate;
