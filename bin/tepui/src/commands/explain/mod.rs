//! `tepui explain`: why a task, framework, role or agent is where it is, and what to do about it.

mod advice;
mod command;
mod eligibility;
mod failures;
mod framework;
mod task;

pub use command::{Explain, explain};
pub use eligibility::{Eligibility, Question};
pub use task::meaning;
