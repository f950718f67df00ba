//! `tepui explain` shows why a task, framework, role or agent is in its state, and what to do about it.

mod advice;
mod command;
mod eligibility;
mod failures;
mod framework;
mod task;

pub use command::{Explain, explain};
pub use eligibility::{Eligibility, ExplainQuery};
pub use task::{advice_for, meaning};
