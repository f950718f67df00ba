//! What an agent remembers of a framework.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::v1;
use messages::v1::TaskState;
use model::agent::FrameworkSnapshot;
use model::{ExecutorId, TaskId};

use crate::executors::executor::Executor;

#[derive(Debug)]
pub(crate) struct Framework {
    pub snapshot: Arc<FrameworkSnapshot>,
    /// The master asked to shut it down: nothing new starts, and no more updates are accepted from it.
    pub terminating: bool,
    pub executors: BTreeMap<ExecutorId, Executor>,
    /// Where each task lives that is not yet completed.
    pub tasks: BTreeMap<TaskId, ExecutorId>,
}

impl Framework {
    pub fn new(snapshot: Arc<FrameworkSnapshot>) -> Self {
        Framework { snapshot, terminating: false, executors: BTreeMap::new(), tasks: BTreeMap::new() }
    }

    pub fn is_idle(&self) -> bool {
        self.executors.is_empty()
    }

    pub fn checkpoints(&self) -> bool {
        self.snapshot.info.checkpoint.unwrap_or(false)
    }

    /// How a task is reported that never ran here.
    pub fn dropped_state(&self) -> TaskState {
        dropped_state(&self.snapshot.info)
    }

    pub fn executor_of(&mut self, task: &TaskId) -> Option<&mut Executor> {
        let id = self.tasks.get(task)?;
        self.executors.get_mut(id)
    }
}

/// Frameworks without the PARTITION_AWARE capability know only TASK_LOST.
pub(crate) fn dropped_state(framework: &v1::FrameworkInfo) -> TaskState {
    if is_partition_aware(framework) { TaskState::TaskDropped } else { TaskState::TaskLost }
}

pub(crate) fn is_partition_aware(framework: &v1::FrameworkInfo) -> bool {
    let wanted = v1::framework_info::capability::Type::PartitionAware as i32;
    framework.capabilities.iter().any(|c| c.r#type == Some(wanted))
}
