//! Validation of operations on resources: their syntax, and whether the caller may perform them on the agent.
//!
//! Whether the resources exist is found when the conversion is applied.

mod context;
mod disks;
mod reservations;
mod syntax;
mod validate;
mod volumes;

pub use context::{Context, OperationAgent, OperationFramework};
pub use syntax::validate_syntax;
pub use validate::validate;
