//! `tepui explain`: why a task, framework, role or agent is where it is, and what to do about it.

mod advice;
mod command;
mod framework;
mod health;
mod standing;
mod task;

pub use command::{Explain, explain};
