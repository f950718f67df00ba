//! The state of a framework.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::v1;
use messages::v1::TaskState;
use model::agent::FrameworkSnapshot;
use model::{ExecutorId, TaskId};

use super::executor::Executor;

/// A framework, and its executors and tasks on this agent.
#[derive(Debug)]
pub(crate) struct Framework {
    snapshot: Arc<FrameworkSnapshot>,
    terminating: bool,
    pub(super) executors: BTreeMap<ExecutorId, Executor>,
    /// The executor of each task that is not completed.
    pub(super) tasks: BTreeMap<TaskId, ExecutorId>,
}

impl Framework {
    pub(super) fn new(snapshot: Arc<FrameworkSnapshot>) -> Self {
        Framework { snapshot, terminating: false, executors: BTreeMap::new(), tasks: BTreeMap::new() }
    }

    /// Returns the description of the framework that the master sent last.
    pub fn snapshot(&self) -> &Arc<FrameworkSnapshot> {
        &self.snapshot
    }

    /// Replaces its description.
    pub fn set_snapshot(&mut self, snapshot: Arc<FrameworkSnapshot>) {
        self.snapshot = snapshot;
    }

    /// Returns whether the master has asked to shut it down: nothing new starts, and no more updates are accepted from
    /// it.
    pub fn is_terminating(&self) -> bool {
        self.terminating
    }

    /// The master asks to shut it down. Returns whether it does so for the first time.
    pub fn terminate(&mut self) -> bool {
        !std::mem::replace(&mut self.terminating, true)
    }

    /// Returns whether it has no executors.
    pub fn is_idle(&self) -> bool {
        self.executors.is_empty()
    }

    /// Returns whether it asked for its state to be written to the disk.
    pub fn checkpoints(&self) -> bool {
        self.snapshot.info.checkpoint.unwrap_or(false)
    }

    /// Returns the state in which a task that never ran here is reported.
    pub fn dropped_state(&self) -> TaskState {
        dropped_state(&self.snapshot.info)
    }

    /// Iterates over its executors by id.
    pub fn executors(&self) -> impl Iterator<Item = &Executor> {
        self.executors.values()
    }

    /// Returns the executor with this id.
    pub fn executor(&self, id: &ExecutorId) -> Option<&Executor> {
        self.executors.get(id)
    }

    /// Returns the executor of a task.
    pub fn executor_of(&mut self, task: &TaskId) -> Option<&mut Executor> {
        let id = self.tasks.get(task)?;
        self.executors.get_mut(id)
    }
}

/// Returns the state in which a task that never ran is reported to a framework: frameworks without the PARTITION_AWARE
/// capability know only TASK_LOST.
pub(crate) fn dropped_state(framework: &v1::FrameworkInfo) -> TaskState {
    if is_partition_aware(framework) { TaskState::TaskDropped } else { TaskState::TaskLost }
}

/// Returns the state in which a task that was taken away is reported to a framework.
pub(crate) fn gone_state(framework: &v1::FrameworkInfo) -> TaskState {
    if is_partition_aware(framework) { TaskState::TaskGone } else { TaskState::TaskLost }
}

/// Returns whether the framework has the PARTITION_AWARE capability.
pub(crate) fn is_partition_aware(framework: &v1::FrameworkInfo) -> bool {
    let wanted = v1::framework_info::capability::Type::PartitionAware as i32;
    framework.capabilities.iter().any(|c| c.r#type == Some(wanted))
}
