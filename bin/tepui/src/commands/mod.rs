//! The commands of `tepui`.

mod agents;
mod cancel;
mod checks;
mod cli;
mod containers;
#[cfg(test)]
mod document_tests;
mod examples;
mod execute;
mod execute_container;
mod execute_package;
mod explain;
mod failures;
mod find;
mod frameworks;
mod image;
mod incidents;
#[cfg(test)]
mod invalid_values_tests;
mod logs;
mod numbers;
mod operate;
mod run;
mod shell;
mod state;
mod status;
mod tasks;
mod wait;

pub use checks::killed_as_unhealthy;
pub use cli::{CommandError, block_on, fail, main, printed};
#[cfg(test)]
pub use execute::work_and_framework;
pub use execute::{execute, resolve};
pub use run::missing;
pub use state::{first_line, tone};
