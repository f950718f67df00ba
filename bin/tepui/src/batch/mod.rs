//! A one-shot framework: runs a list of tasks until all are over, and reports how they ended.

mod exit_codes;
mod observer;
mod plan;
mod progress;
mod report;
mod scheduler_loop;
mod streams;

pub use exit_codes::{exit_code, signalled};
pub use observer::{Observer, Stalled};
pub use plan::Plan;
pub use progress::Progress;
pub use report::{Row, rows, sandbox_of, table};
pub use scheduler_loop::{Batch, Options, Outcome, run_batch};
pub use streams::{Source, Streams};
