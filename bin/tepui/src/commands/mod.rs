//! The commands for people.

mod agents;
mod cli;
mod execute;
mod explain;
mod failures;
mod find;
mod frameworks;
mod incidents;
mod logs;
mod operate;
mod run;
mod state;
mod tasks;

pub use cli::{CommandError, block_on, fail, main};
#[cfg(test)]
pub use execute::task_and_framework;
pub use execute::{execute, resolve};
