//! A one-shot framework: runs a list of tasks to their end and reports on them.

mod drive;
mod observer;
mod plan;
mod progress;
mod report;

pub use drive::{Options, drive};
pub use observer::{Observer, Silent};
pub use plan::Plan;
pub use progress::Progress;
pub use report::table;
