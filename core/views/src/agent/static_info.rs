//! What an agent knows about itself from the start, and no change tells.

use std::collections::BTreeMap;

use model::{Timestamp, Upid};

pub use crate::master::Build;

/// What an agent knows about itself from the start.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticInfo {
    /// The program.
    pub build: Build,
    /// The agent's process, e.g. `slave(1)@10.0.0.1:5051`.
    pub pid: Upid,
    /// When the process began.
    pub started: Timestamp,
    /// Every flag that has a value, as text.
    pub flags: BTreeMap<String, String>,
    /// `agent_info::capability::Type` values as numbers, ascending.
    pub capabilities: Vec<i32>,
    /// How much history is kept.
    pub limits: Limits,
}

/// How much history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Frameworks that have ended.
    pub completed_frameworks: usize,
    /// Executors that have ended, of each framework.
    pub completed_executors_per_framework: usize,
    /// Tasks that have ended, of each executor.
    pub completed_tasks_per_executor: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { completed_frameworks: 50, completed_executors_per_framework: 150, completed_tasks_per_executor: 200 }
    }
}
