//! A one-shot framework: runs a list of tasks to their end and reports on them.

mod observer;
mod plan;
mod progress;
mod report;
mod scheduler_loop;

pub use observer::{NoObserver, Observer};
pub use plan::Plan;
pub use progress::Progress;
pub use report::table;
pub use scheduler_loop::{Options, run_batch};
