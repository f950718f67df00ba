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
    /// As registered with the master.
    pub info: Arc<v1::AgentInfo>,
    /// What the agent has, without allocation.
    pub total: Resources,
    /// The leading master.
    pub master: Option<Box<v1::MasterInfo>>,
    /// The drain that is under way.
    pub draining: Option<Arc<Draining>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Framework {
    /// As the last change told.
    pub snapshot: Arc<FrameworkSnapshot>,
    /// Those that are not completed.
    pub executors: SnapshotMap<Executor>,
    /// Those that have ended and whose updates are acknowledged.
    pub completed: History<Executor>,
}

impl Framework {
    /// Creates a framework without executors.
    pub fn new(snapshot: Arc<FrameworkSnapshot>, limits: Limits) -> Self {
        Framework {
            snapshot,
            executors: SnapshotMap::default(),
            completed: History::new(limits.completed_executors_per_framework),
        }
    }

    /// Moves all executors to the completed ones.
    pub fn complete(&mut self) {
        for executor in std::mem::take(&mut self.executors).iter() {
            self.completed.push(executor.clone().completed());
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Executor {
    /// As the last change told.
    pub snapshot: Arc<ExecutorSnapshot>,
    /// Tasks that came earlier were queued, and stay so if it never does.
    registered: bool,
    /// Its container has ended and it is completed, whatever its tasks are.
    ended: bool,
    /// Not yet completed: live, or terminal without acknowledgement, which they may stay for ever.
    pub tasks: SnapshotMap<Arc<Task>>,
    /// Those whose end the framework has acknowledged.
    pub completed: History<Arc<Task>>,
}

impl Executor {
    /// Creates an executor without tasks.
    pub fn new(snapshot: Arc<ExecutorSnapshot>, limits: Limits) -> Self {
        Executor {
            registered: snapshot.state == ExecutorState::Running,
            ended: false,
            snapshot,
            tasks: SnapshotMap::default(),
            completed: History::new(limits.completed_tasks_per_executor),
        }
    }

    /// Replaces what is told of the executor.
    pub fn describe(&mut self, snapshot: &Arc<ExecutorSnapshot>) {
        self.registered |= snapshot.state == ExecutorState::Running;
        self.snapshot = Arc::clone(snapshot);
    }

    /// Tasks that were completed before this process began.
    pub fn recover_completed(&mut self, tasks: &[Arc<v1::Task>]) {
        for task in tasks {
            self.completed.push(Arc::new(Task::new(Arc::clone(task), &Resources::new())));
        }
    }

    /// Ends the executor. Tasks whose end was not told, since their framework is gone, count as terminated and hold
    /// nothing (as in Mesos' `Slave::executorTerminated`); those that were queued stay queued.
    pub fn completed(mut self) -> Self {
        let mut resources = self.snapshot.resources.clone();
        self.launched().for_each(|task| resources -= &task.resources);
        if resources != self.snapshot.resources {
            self.snapshot = Arc::new(ExecutorSnapshot { resources, ..(*self.snapshot).clone() });
        }
        self.ended = true;
        self
    }

    /// Waiting for their executor to register.
    pub fn queued(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| self.is_queued(task))
    }

    /// Given to the executor, and not known to have ended.
    pub fn launched(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| !self.is_queued(task) && !self.is_terminated(task))
    }

    /// Ended, and their framework has not acknowledged it or never will.
    pub fn terminated(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| !self.is_queued(task) && self.is_terminated(task))
    }

    fn is_terminated(&self, task: &Task) -> bool {
        self.ended || is_terminal(task.task.state())
    }

    fn is_queued(&self, task: &Task) -> bool {
        !self.registered && task.task.state() == TaskState::TaskStaging
    }
}
