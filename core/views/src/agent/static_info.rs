//! The facts about an agent that are fixed from its start and that no change describes.

use std::collections::BTreeMap;

use model::{Timestamp, Upid};

pub use crate::master::Build;

/// The facts about an agent that are fixed from its start.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticInfo {
    /// The running program.
    pub build: Build,
    /// The agent's process, e.g. `slave(1)@10.0.0.1:5051`.
    pub pid: Upid,
    /// The start of the process.
    pub started: Timestamp,
    /// Every flag that has a value, as text.
    pub flags: BTreeMap<String, String>,
    /// `agent_info::capability::Type` values as numbers, ascending.
    pub capabilities: Vec<i32>,
    /// The bounds of the history.
    pub limits: Limits,
}

/// The bounds of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `--max_completed_frameworks`: the number of frameworks that have ended.
    pub completed_frameworks: usize,
    /// `--max_completed_executors_per_framework`: the number of executors of each framework that have ended.
    pub completed_executors_per_framework: usize,
    /// The number of tasks of each executor that have ended.
    pub completed_tasks_per_executor: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { completed_frameworks: 50, completed_executors_per_framework: 150, completed_tasks_per_executor: 200 }
    }
}
