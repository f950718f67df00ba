//! `tepui run`: a batch of commands with its output or its progress, or in the background.

mod command;
mod detach;
mod isolation;
mod live;
mod live_pod;
pub mod pod;
mod why;

pub use command::{Run, run};
pub use isolation::missing;
