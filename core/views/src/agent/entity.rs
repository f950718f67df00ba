//! The entities of an agent's view.

use std::sync::Arc;

use messages::v1;
use messages::v1::TaskState;
use model::agent::{Draining, ExecutorSnapshot, ExecutorState, FrameworkSnapshot};
use resources::Resources;

use super::Limits;
use crate::entity::Task;
use crate::history::History;
use crate::snapshot_map::SnapshotMap;
use model::is_terminal;

/// The agent itself, as the last change told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Description {
    pub info: Arc<v1::AgentInfo>,
    pub total: Resources,
    pub master: Option<Box<v1::MasterInfo>>,
    pub registered: bool,
    pub draining: Option<Arc<Draining>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Framework {
    pub snapshot: Arc<FrameworkSnapshot>,
    pub executors: SnapshotMap<Executor>,
    pub completed: History<Executor>,
}

impl Framework {
    pub fn new(snapshot: Arc<FrameworkSnapshot>, limits: Limits) -> Self {
        Framework {
            snapshot,
            executors: SnapshotMap::default(),
            completed: History::new(limits.completed_executors_per_framework),
        }
    }

    pub fn complete(&mut self) {
        for executor in std::mem::take(&mut self.executors).iter() {
            self.completed.push(executor.clone());
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Executor {
    pub snapshot: Arc<ExecutorSnapshot>,
    /// Tasks that came earlier were queued, and stay so if it never does.
    registered: bool,
    /// Not yet completed: live, or terminal without acknowledgement, which they may stay for ever.
    pub tasks: SnapshotMap<Arc<Task>>,
    pub completed: History<Arc<Task>>,
}

impl Executor {
    pub fn new(snapshot: Arc<ExecutorSnapshot>, limits: Limits) -> Self {
        Executor {
            registered: snapshot.state == ExecutorState::Running,
            snapshot,
            tasks: SnapshotMap::default(),
            completed: History::new(limits.completed_tasks_per_executor),
        }
    }

    pub fn describe(&mut self, snapshot: &Arc<ExecutorSnapshot>) {
        self.registered |= snapshot.state == ExecutorState::Running;
        self.snapshot = Arc::clone(snapshot);
    }

    /// Tasks that were completed before this process began.
    pub fn recover_completed(&mut self, tasks: &[Arc<v1::Task>]) {
        for task in tasks {
            self.completed.push(Arc::new(Task::new(Arc::clone(task))));
        }
    }

    /// Waiting for their executor to register.
    pub fn queued(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| self.is_queued(task))
    }

    pub fn launched(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| !self.is_queued(task) && !is_terminal(task.task.state()))
    }

    pub fn terminated(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| is_terminal(task.task.state()))
    }

    fn is_queued(&self, task: &Task) -> bool {
        !self.registered && task.task.state() == TaskState::TaskStaging
    }
}
