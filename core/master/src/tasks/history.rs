//! The tasks of a framework that are not live any more and that decisions still depend on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::master::TaskSnapshot;
use model::{AgentId, TaskId};

/// The tasks on unreachable agents. They may return, so their ids cannot be used again. Beyond
/// `--max_unreachable_tasks_per_framework` the oldest are dropped.
#[derive(Debug, Default)]
pub(crate) struct UnreachableTasks {
    /// The tasks, each with its number in `order`.
    tasks: BTreeMap<TaskId, (u64, Arc<TaskSnapshot>)>,
    /// The ids in the order in which the tasks became unreachable.
    order: BTreeMap<u64, TaskId>,
    next: u64,
}

impl UnreachableTasks {
    pub fn contains(&self, task: &str) -> bool {
        self.tasks.contains_key(task)
    }

    /// Adds a task; returns the number of tasks that were dropped for it.
    pub fn add(&mut self, id: TaskId, task: Arc<TaskSnapshot>, limit: usize) -> usize {
        if let Some((number, _)) = self.tasks.insert(id.clone(), (self.next, task)) {
            self.order.remove(&number);
        }
        self.order.insert(self.next, id);
        self.next += 1;
        let mut dropped = 0;
        while self.tasks.len() > limit {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            dropped += usize::from(self.tasks.remove(&oldest).is_some());
        }
        dropped
    }

    /// Iterates over the tasks, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = (&TaskId, &Arc<TaskSnapshot>)> {
        self.tasks.iter().map(|(id, (_, task))| (id, task))
    }

    pub fn remove(&mut self, task: &str) -> Option<Arc<TaskSnapshot>> {
        let (number, task) = self.tasks.remove(task)?;
        self.order.remove(&number);
        Some(task)
    }

    /// Removes and returns all tasks, ordered by id.
    pub fn drain(&mut self) -> impl Iterator<Item = (TaskId, Arc<TaskSnapshot>)> {
        self.order.clear();
        std::mem::take(&mut self.tasks).into_iter().map(|(id, (_, task))| (id, task))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use messages::v1;
    use model::TaskId;
    use model::master::TaskSnapshot;

    use super::UnreachableTasks;

    #[test]
    fn a_task_that_returned_and_became_unreachable_again_is_the_newest() {
        let mut unreachable = UnreachableTasks::default();
        let task = Arc::new(TaskSnapshot::from(&v1::Task::default()));
        let add = |unreachable: &mut UnreachableTasks, id: &str| unreachable.add(TaskId::new(id), task.clone(), 2);
        assert_eq!(add(&mut unreachable, "a"), 0);
        assert!(unreachable.remove("a").is_some());
        assert_eq!(add(&mut unreachable, "b"), 0);
        assert_eq!(add(&mut unreachable, "a"), 0);
        assert_eq!(add(&mut unreachable, "c"), 1);
        assert_eq!(unreachable.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(unreachable.drain().count(), 2);
        assert_eq!(add(&mut unreachable, "b"), 0);
    }
}
