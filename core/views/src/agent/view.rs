//! A view of an agent: the change stream folded into entities.

use std::path::Path;
use std::sync::Arc;

use messages::v1;
use model::agent::{Change, ExecutorSnapshot, FrameworkSnapshot, RecoveredCompletedExecutor};
use model::{ContainerId, FrameworkId, TaskId};
use rustc_hash::FxHashMap;

use super::entity::{Description, Executor, Framework};
use super::sandboxes::Sandbox;
use super::task::Task;
use super::{Snapshot, StaticInfo};
use crate::Visibility;
use crate::history::History;
use crate::snapshot_map::SnapshotMap;

/// The newest snapshot, with the indices of everything in it.
#[derive(Debug)]
pub struct View {
    current: Snapshot,
    frameworks: FxHashMap<FrameworkId, u64>,
    executors: FxHashMap<ContainerId, ExecutorIndex>,
}

/// Keys into the snapshot maps of a framework and of its executor.
#[derive(Debug)]
struct ExecutorIndex {
    framework: FrameworkId,
    key: u64,
    tasks: FxHashMap<TaskId, u64>,
}

impl View {
    /// Creates the view of an agent that has published no change yet.
    pub fn new(static_info: StaticInfo) -> Self {
        View {
            current: Snapshot {
                completed: History::new(static_info.limits.completed_frameworks),
                static_info: Arc::new(static_info),
                agent: None,
                operations: Arc::from([]),
                frameworks: SnapshotMap::default(),
                sandboxes: SnapshotMap::default(),
                visibility: Visibility::everything(),
            },
            frameworks: FxHashMap::default(),
            executors: FxHashMap::default(),
        }
    }

    /// Returns the state as of now. It copies a few pointers.
    pub fn snapshot(&self) -> Snapshot {
        self.current.clone()
    }

    /// Applies a change. A change about something unknown is ignored, since a view may begin in the middle of a stream.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Agent { info, total, master, registered: _, draining } => {
                self.current.agent = Some(Arc::new(Description {
                    info: Arc::clone(info),
                    total: total.clone(),
                    master: master.clone(),
                    draining: draining.clone(),
                }));
            }
            Change::Operations(operations) => self.current.operations = Arc::clone(operations),
            Change::FrameworkAdded(framework) => self.put_framework(framework),
            Change::FrameworkRemoved(framework) => self.remove_framework(framework),
            Change::ExecutorAdded(executor) | Change::ExecutorUpdated(executor) => self.put_executor(executor),
            Change::ExecutorRemoved { container, .. } => self.remove_executor(container),
            Change::TaskAdded { container, task } | Change::TaskUpdated { container, task } => {
                self.put_task(container, task);
            }
            Change::TaskCompleted { container, task, .. } => self.complete_task(container, task),
            Change::CompletedFrameworkRecovered { framework, executors } => {
                let mut entry = Framework::new(Arc::clone(framework), self.current.static_info.limits);
                self.recover_completed(&mut entry, executors);
                self.current.completed.push(entry);
            }
            Change::CompletedExecutorsRecovered { framework, executors } => {
                self.recover_completed_executors(framework, executors)
            }
            Change::CompletedTasksRecovered { container, tasks } => {
                if let Some((executor, _)) = self.executor_mut(container) {
                    executor.recover_completed(tasks);
                }
            }
            Change::SandboxRemoved(path) => self.remove_sandboxes(path),
        }
    }

    fn framework_mut(&mut self, id: &FrameworkId) -> Option<&mut Framework> {
        self.current.frameworks.get_mut(*self.frameworks.get(id)?)
    }

    fn executor_mut(&mut self, container: &ContainerId) -> Option<(&mut Executor, &mut ExecutorIndex)> {
        let index = self.executors.get_mut(container)?;
        let framework = self.current.frameworks.get_mut(*self.frameworks.get(&index.framework)?)?;
        Some((framework.executors.get_mut(index.key)?, index))
    }

    fn put_framework(&mut self, snapshot: &Arc<FrameworkSnapshot>) {
        match self.framework_mut(&snapshot.id) {
            Some(framework) => framework.snapshot = Arc::clone(snapshot),
            None => {
                let mut framework = Framework::new(Arc::clone(snapshot), self.current.static_info.limits);
                // As in Mesos' `Slave::run`: a framework that returns is no longer completed, and has its executors
                // again.
                if let Some(before) = self.current.completed.remove_where(|known| known.snapshot.id == snapshot.id) {
                    framework.completed = before.completed;
                }
                self.frameworks.insert(snapshot.id.clone(), self.current.frameworks.push(framework));
            }
        }
    }

    fn remove_framework(&mut self, id: &FrameworkId) {
        let Some(mut framework) = self.frameworks.remove(id).and_then(|key| self.current.frameworks.remove(key)) else {
            return;
        };
        for executor in framework.executors.iter() {
            self.executors.remove(&executor.snapshot.container);
        }
        framework.complete();
        self.current.completed.push(framework);
    }

    fn recover_completed_executors(&mut self, id: &FrameworkId, executors: &[RecoveredCompletedExecutor]) {
        let Some(mut framework) = self.framework_mut(id).cloned() else { return };
        self.recover_completed(&mut framework, executors);
        if let Some(entry) = self.framework_mut(id) {
            *entry = framework;
        }
    }

    /// Adds executors that ended before this process began; its statistics do not count them.
    fn recover_completed(&mut self, framework: &mut Framework, executors: &[RecoveredCompletedExecutor]) {
        for RecoveredCompletedExecutor { snapshot, tasks } in executors {
            let mut executor = Executor::new(Arc::clone(snapshot), self.current.static_info.limits);
            executor.recover_completed(tasks);
            framework.completed.push(executor);
            self.current.sandboxes.push(Sandbox::of(snapshot));
        }
    }

    fn put_executor(&mut self, snapshot: &Arc<ExecutorSnapshot>) {
        if let Some((executor, _)) = self.executor_mut(&snapshot.container) {
            executor.describe(snapshot);
            return;
        }
        let limits = self.current.static_info.limits;
        let Some(framework) = self.framework_mut(&snapshot.framework) else { return };
        let key = framework.executors.push(Executor::new(Arc::clone(snapshot), limits));
        let index = ExecutorIndex { framework: snapshot.framework.clone(), key, tasks: FxHashMap::default() };
        self.executors.insert(snapshot.container.clone(), index);
        self.current.sandboxes.push(Sandbox::of(snapshot));
    }

    fn remove_executor(&mut self, container: &ContainerId) {
        let Some(index) = self.executors.remove(container) else { return };
        let Some(framework) = self.framework_mut(&index.framework) else { return };
        let Some(executor) = framework.executors.remove(index.key) else { return };
        framework.completed.push(executor.completed());
    }

    fn put_task(&mut self, container: &ContainerId, task: &Arc<v1::Task>) {
        let Some((executor, index)) = self.executor_mut(container) else { return };
        let id = TaskId::from(&task.task_id);
        match index.tasks.get(&id).and_then(|key| executor.tasks.get_mut(*key)) {
            Some(known) => *known = Arc::new(known.succeeded_by(Arc::clone(task))),
            None => {
                let key = executor.tasks.push(Arc::new(Task::new(Arc::clone(task))));
                index.tasks.insert(id, key);
            }
        }
    }

    fn complete_task(&mut self, container: &ContainerId, id: &TaskId) {
        let Some((executor, index)) = self.executor_mut(container) else { return };
        if let Some(task) = index.tasks.remove(id).and_then(|key| executor.tasks.remove(key)) {
            executor.completed.push(task);
        }
    }

    fn remove_sandboxes(&mut self, path: &Path) {
        while self.current.sandboxes.remove_where(|sandbox| sandbox.path.starts_with(path)).is_some() {}
    }
}
