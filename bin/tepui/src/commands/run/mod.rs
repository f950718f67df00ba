//! `tepui run`: a batch of commands with its output or its progress, or in the background.

mod capabilities;
mod command;
mod container;
mod detach;
mod docker;
mod environment;
mod isolation;
mod live;
mod live_pod;
mod live_terminal;
mod networks;
pub mod pod;
mod stall_explainer;
mod units;
mod volumes;

pub use command::{Run, run};
pub use isolation::missing;
