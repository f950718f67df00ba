//! The state of one task and its container.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1;

use super::command_check::CommandCheck;
use crate::checks::{Checker, Checks};

/// One task of a group, from its launch to its terminal update.
#[derive(Debug)]
pub struct Container {
    /// The id of the nested container.
    pub id: v1::ContainerId,
    /// The task.
    pub task: v1::TaskInfo,
    /// The number of its group.
    pub group: u64,
    /// The progress of its launch.
    pub launch: Launch,
    /// Whether an update of the task was acknowledged.
    pub acknowledged: bool,
    /// The kill that is in progress.
    pub kill: Option<Kill>,
    /// The last update, which updates of checks repeat.
    pub last_status: v1::TaskStatus,
    /// The results of its checks.
    pub checks: Checks,
    /// The checks whose probe of a port is in progress.
    pub probing: BTreeSet<Checker>,
    /// The checks by a command.
    pub command_checks: BTreeMap<Checker, CommandCheck>,
}

/// The progress of a container's launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// The agent was asked and has not answered.
    Requested {
        /// Whether an earlier request was lost, so that the agent may know the container already.
        repeated: bool,
    },
    /// The agent has launched it.
    Launched,
    /// The agent has refused it for this reason.
    Refused(String),
}

/// A kill in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// Whether the task has reached its `max_completion_time`, as opposed to a kill by somebody.
    pub by_completion_time: bool,
    /// Whether the grace period is over.
    pub escalated: bool,
    /// Whether the agent has sent the signal.
    pub confirmed: bool,
}

impl Container {
    /// Returns whether the task runs and nobody has asked for its end.
    pub fn is_running(&self) -> bool {
        self.launch == Launch::Launched && self.kill.is_none()
    }
}
