//! What an agent knows about itself from the start, and no change tells.

use std::collections::BTreeMap;

use model::{Timestamp, Upid};

pub use crate::master::Build;

#[derive(Debug, Clone, PartialEq)]
pub struct StaticInfo {
    pub build: Build,
    pub pid: Upid,
    pub started: Timestamp,
    /// Every flag that has a value, as text.
    pub flags: BTreeMap<String, String>,
    /// `agent_info::capability::Type` values as numbers, ascending.
    pub capabilities: Vec<i32>,
    pub limits: Limits,
}

/// How much history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub completed_frameworks: usize,
    pub completed_executors_per_framework: usize,
    pub completed_tasks_per_executor: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { completed_frameworks: 50, completed_executors_per_framework: 150, completed_tasks_per_executor: 200 }
    }
}
