//! The recorded state of a framework, an executor and the updates of a task.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use messages::v1;
use model::agent::Draining;
use model::{ContainerId, ExecutorId, FrameworkId, TaskId, Upid, is_terminal};

use super::history::CompletedTasks;
use crate::effects::Record;
use crate::frameworks::task::task_state;
use crate::operations::RecoveredResources;
use crate::updates::status_update_manager::MAX_REMEMBERED;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CheckpointedFramework {
    pub info: Arc<v1::FrameworkInfo>,
    pub pid: Option<Upid>,
    pub executors: BTreeMap<ExecutorId, CheckpointedExecutor>,
    /// The executor of each task that is not completed.
    pub tasks: BTreeMap<TaskId, ExecutorId>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CheckpointedExecutor {
    pub container: ContainerId,
    pub info: Arc<v1::ExecutorInfo>,
    pub command_task: bool,
    /// The process of an executor that speaks the driver protocol.
    pub driver: Option<Upid>,
    pub done: bool,
    pub tasks: BTreeMap<TaskId, Arc<v1::Task>>,
    pub completed: CompletedTasks,
}

/// The agent's own resources as operations made them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CheckpointedResources {
    pub checkpointed: Arc<[v1::Resource]>,
    pub target: Option<Arc<[v1::Resource]>>,
    /// The operations whose final status is not acknowledged, by uuid.
    pub operations: BTreeMap<Vec<u8>, Arc<v1::Operation>>,
}

impl Default for CheckpointedResources {
    fn default() -> Self {
        CheckpointedResources { checkpointed: Arc::from([]), target: None, operations: BTreeMap::new() }
    }
}

impl CheckpointedResources {
    pub fn records(&self, records: &mut Vec<Record>) {
        let record = |operation: Option<Arc<v1::Operation>>| Record::Resources {
            resources: self.checkpointed.clone(),
            target: self.target.clone(),
            operation,
        };
        match self.operations.is_empty() {
            true if self.checkpointed.is_empty() && self.target.is_none() => {}
            true => records.push(record(None)),
            false => records.extend(self.operations.values().map(|operation| record(Some(operation.clone())))),
        }
    }

    pub fn found(&self, draining: Option<Arc<Draining>>) -> RecoveredResources {
        RecoveredResources {
            resources: self.checkpointed.to_vec(),
            target: self.target.as_ref().map(|target| target.to_vec()),
            operations: self.operations.values().cloned().collect(),
            draining,
        }
    }
}

/// The updates of one task: the durable part of a status update stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CheckpointedUpdates {
    pub pending: VecDeque<Arc<v1::TaskStatus>>,
    pub acknowledged: VecDeque<Vec<u8>>,
}

impl CheckpointedUpdates {
    pub fn knows(&self, uuid: &[u8]) -> bool {
        self.pending.iter().any(|status| status.uuid() == uuid) || self.acknowledged.iter().any(|known| known == uuid)
    }

    /// Acknowledges an update. Returns whether it was the last one of a terminal task.
    pub fn acknowledge(&mut self, uuid: &[u8]) -> bool {
        let at = self.pending.iter().position(|status| status.uuid() == uuid);
        let status = at.and_then(|at| self.pending.remove(at));
        if self.acknowledged.len() >= MAX_REMEMBERED {
            self.acknowledged.pop_front();
        }
        self.acknowledged.push_back(uuid.to_vec());
        self.pending.is_empty() && status.is_some_and(|status| is_terminal(task_state(status.state)))
    }
}

impl CheckpointedExecutor {
    pub fn records(&self, framework: &FrameworkId, id: &ExecutorId, records: &mut Vec<Record>) {
        let container = &self.container;
        records.push(Record::Executor {
            framework: framework.clone(),
            container: container.clone(),
            info: self.info.clone(),
            command_task: self.command_task,
        });
        if let Some(pid) = &self.driver {
            records.push(Record::ExecutorLink {
                framework: framework.clone(),
                executor: id.clone(),
                container: container.clone(),
                pid: Some(pid.clone()),
            });
        }
        let completed = |task: &Arc<v1::Task>| Record::CompletedTask {
            framework: framework.clone(),
            container: container.clone(),
            task: task.clone(),
        };
        records.extend(self.completed.iter().map(completed));
        let task = |task: &Arc<v1::Task>| Record::Task {
            framework: framework.clone(),
            container: container.clone(),
            task: task.clone(),
        };
        records.extend(self.tasks.values().map(task));
        if self.done {
            records.push(Record::ContainerDone {
                framework: framework.clone(),
                executor: id.clone(),
                container: container.clone(),
            });
        }
    }
}
