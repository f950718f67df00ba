//! Validation of tasks and task groups that are launched on offers.

mod common;
mod context;
mod group;
mod launch;

pub use context::{Context, LaunchAgent, TaskIdUse};
pub use group::{validate as validate_group, validate_executor_copies};
pub use launch::validate;
