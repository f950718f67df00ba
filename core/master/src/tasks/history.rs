//! The tasks of a framework that are not live any more and that decisions still depend on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use messages::v1;
use model::{AgentId, TaskId};

/// The tasks on unreachable agents. They may return, so their ids cannot be used again. Beyond
/// `--max_unreachable_tasks_per_framework` the oldest are dropped.
#[derive(Debug, Default)]
pub(crate) struct UnreachableTasks {
    tasks: BTreeMap<TaskId, Arc<v1::Task>>,
    order: VecDeque<TaskId>,
}

impl UnreachableTasks {
    pub fn contains(&self, task: &str) -> bool {
        self.tasks.contains_key(task)
    }

    /// Adds a task; returns the number of tasks that were dropped for it.
    pub fn add(&mut self, id: TaskId, task: Arc<v1::Task>, limit: usize) -> usize {
        if self.tasks.insert(id.clone(), task).is_none() {
            self.order.push_back(id);
        }
        let mut forgotten = 0;
        while self.tasks.len() > limit {
            let Some(oldest) = self.order.pop_front() else { break };
            forgotten += usize::from(self.tasks.remove(&oldest).is_some());
        }
        // Tasks that returned are not removed from `order` at once; their entries are removed together when there are
        // many.
        if self.order.len() > 2 * limit.max(self.tasks.len()) {
            let tasks = &self.tasks;
            self.order.retain(|id| tasks.contains_key(id));
        }
        forgotten
    }

    pub fn iter(&self) -> impl Iterator<Item = (&TaskId, &Arc<v1::Task>)> {
        self.tasks.iter()
    }

    pub fn remove(&mut self, task: &str) -> Option<Arc<v1::Task>> {
        self.tasks.remove(task)
    }

    pub fn drain(&mut self) -> impl Iterator<Item = (TaskId, Arc<v1::Task>)> {
        self.order.clear();
        std::mem::take(&mut self.tasks).into_iter()
    }
}

/// Tasks whose terminal update their framework acknowledged lately, with their agents. Further updates of their agents
/// are stale.
#[derive(Debug, Default)]
pub(crate) struct RecentlyCompletedTasks(VecDeque<(TaskId, AgentId)>);

impl RecentlyCompletedTasks {
    /// The most tasks that are kept. A broken connection contains fewer updates.
    const MAX: usize = 1000;

    pub fn add(&mut self, task: TaskId, agent: AgentId) {
        if self.0.len() >= Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back((task, agent));
    }

    /// Returns whether the task is among them. It is called only for tasks that are not known otherwise.
    pub fn contains(&self, task: &str, agent: &str) -> bool {
        self.0.iter().any(|(id, on)| id.as_str() == task && on.as_str() == agent)
    }
}
