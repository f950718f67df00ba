//! The entities of an agent's view.

use std::sync::Arc;

use messages::v1;
use messages::v1::TaskState;
use model::agent::{Draining, ExecutorSnapshot, ExecutorState, FrameworkSnapshot};
use resources::Resources;

use super::Limits;
use super::task::Task;
use crate::history::History;
use crate::snapshot_map::SnapshotMap;
use model::is_terminal;

/// The agent itself, as the last change described it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Description {
    /// The agent's description, as registered with the master.
    pub info: Arc<v1::AgentInfo>,
    /// The agent's total resources, without allocation.
    pub total: Resources,
    /// The leading master; `None` while there is none.
    pub master: Option<Box<v1::MasterInfo>>,
    /// The drain that is in progress; `None` if there is none.
    pub draining: Option<Arc<Draining>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Framework {
    /// The framework, as the last change described it.
    pub snapshot: Arc<FrameworkSnapshot>,
    /// The executors that are not completed.
    pub executors: SnapshotMap<Executor>,
    /// The executors that have ended and whose updates are acknowledged.
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
    /// The executor, as the last change described it.
    pub snapshot: Arc<ExecutorSnapshot>,
    /// Whether it has ever registered. Tasks from before that were queued, and stay queued if it never does.
    registered: bool,
    /// Whether the executor's container has ended. The executor is then completed, independent of the states of its
    /// tasks.
    ended: bool,
    /// The tasks that are not completed: live ones, and terminal ones without acknowledgement, which may stay for ever.
    pub tasks: SnapshotMap<Arc<Task>>,
    /// The tasks whose terminal update the framework has acknowledged.
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

    /// Replaces the description of the executor.
    pub fn describe(&mut self, snapshot: &Arc<ExecutorSnapshot>) {
        self.registered |= snapshot.state == ExecutorState::Running;
        self.snapshot = Arc::clone(snapshot);
    }

    /// Adds tasks that were completed before this process began.
    pub fn recover_completed(&mut self, tasks: &[Arc<v1::Task>]) {
        for task in tasks {
            self.completed.push(Arc::new(Task::new(Arc::clone(task))));
        }
    }

    /// Ends the executor. Tasks without a terminal update, since their framework is removed, count as terminated and
    /// use no resources (as in Mesos' `Slave::executorTerminated`); queued tasks stay queued.
    pub fn completed(mut self) -> Self {
        let mut resources = self.snapshot.resources.clone();
        self.launched().for_each(|task| resources -= &task.resources);
        if resources != self.snapshot.resources {
            self.snapshot = Arc::new(ExecutorSnapshot { resources, ..(*self.snapshot).clone() });
        }
        self.ended = true;
        self
    }

    /// Iterates over the tasks that wait for their executor to register.
    pub fn queued(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| self.is_queued(task))
    }

    /// Iterates over the tasks that the executor was given and that are not known to have ended.
    pub fn launched(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| !self.is_queued(task) && !self.is_terminated(task))
    }

    /// Iterates over the tasks that have ended and whose framework has not acknowledged it, or never will.
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
