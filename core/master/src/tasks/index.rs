//! The set of all tasks and executors, found by framework and by agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::master::{ExecutorSnapshot, TaskSnapshot};
use model::{AgentId, ExecutorId, FrameworkId, TaskId};
use resources::Resources;
use rustc_hash::{FxHashMap, FxHashSet};

use super::agent_usage::{AgentUsage, Executor, UsageByFramework};
use super::history::{RecentlyCompletedTasks, UnreachableTasks};
use super::task::Task;

/// All tasks and executors. The tasks and executors of a framework are also indexed by agent.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    frameworks: FxHashMap<FrameworkId, FrameworkTasks>,
    agents: FxHashMap<AgentId, UsageByFramework>,
}

#[derive(Debug, Default)]
struct FrameworkTasks {
    tasks: BTreeMap<TaskId, Task>,
    unreachable: UnreachableTasks,
    recently_completed: RecentlyCompletedTasks,
    /// The resources of the task that was added last. The tasks of a framework tend to have equal resources, which then
    /// share their memory.
    last_resources: Resources,
    /// The agents on which the framework has tasks or executors; sorted when they are asked for.
    agents: FxHashSet<AgentId>,
}

/// Tasks that are not removed yet.
impl Tasks {
    pub fn get(&self, framework: &str, task: &str) -> Option<&Task> {
        self.frameworks.get(framework)?.tasks.get(task)
    }

    /// Returns a task with its id as the index has it.
    pub fn get_with_id(&self, framework: &str, task: &str) -> Option<(&TaskId, &Task)> {
        self.frameworks.get(framework)?.tasks.get_key_value(task)
    }

    pub fn get_mut(&mut self, framework: &str, task: &str) -> Option<&mut Task> {
        self.frameworks.get_mut(framework)?.tasks.get_mut(task)
    }

    /// Iterates over the tasks of a framework, ordered by id.
    pub fn of_framework(&self, framework: &str) -> impl Iterator<Item = (&TaskId, &Task)> {
        self.frameworks.get(framework).into_iter().flat_map(|of| &of.tasks)
    }

    /// Adds a task of a framework that is registered. Returns the task, which shares equal resources with the one that
    /// was added before it.
    pub fn insert(&mut self, task: TaskSnapshot) -> Arc<TaskSnapshot> {
        let (framework, id, agent) = (task.framework().clone(), task.id().clone(), task.agent().clone());
        let of_framework = self.frameworks.entry(framework.clone()).or_default();
        let task = if of_framework.last_resources == *task.resources() {
            task.with_shared_resources(&of_framework.last_resources)
        } else {
            of_framework.last_resources = task.resources().clone();
            task
        };
        of_framework.agents.insert(agent.clone());
        self.agents.entry(agent).or_default().entry(&framework).tasks.insert(id.clone());
        let task = Arc::new(task);
        of_framework.tasks.insert(id, Task::new(Arc::clone(&task)));
        task
    }

    pub fn remove(&mut self, framework: &FrameworkId, id: &TaskId) -> Option<Task> {
        let task = self.frameworks.get_mut(framework)?.tasks.remove(id)?;
        if let Some(usage) = self.agents.get_mut(task.agent()).and_then(|usages| usages.get_mut(framework.as_str())) {
            usage.tasks.remove(id);
        }
        self.remove_empty_usage(task.agent(), framework);
        Some(task)
    }

    /// Removes the entries of a framework that is removed; its tasks and executors have been removed before.
    pub fn remove_framework(&mut self, framework: &str) {
        self.frameworks.remove(framework);
    }

    fn remove_empty_usage(&mut self, agent: &AgentId, framework: &FrameworkId) {
        let Some(usages) = self.agents.get_mut(agent) else { return };
        if usages.get(framework.as_str()).is_some_and(|usage| !usage.tasks.is_empty() || !usage.executors.is_empty()) {
            return;
        }
        usages.remove(framework.as_str());
        if usages.is_empty() {
            self.agents.remove(agent);
        }
        if let Some(of_framework) = self.frameworks.get_mut(framework) {
            of_framework.agents.remove(agent);
        }
    }
}

/// Queries by agent and framework.
impl Tasks {
    /// Iterates over the frameworks with tasks or executors on an agent, ordered by framework.
    pub fn on_agent(&self, agent: &str) -> impl Iterator<Item = (&FrameworkId, &AgentUsage)> {
        self.agents.get(agent).into_iter().flat_map(UsageByFramework::iter)
    }

    pub fn usage(&self, agent: &str, framework: &str) -> Option<&AgentUsage> {
        self.agents.get(agent)?.get(framework)
    }

    /// Iterates over the agents on which a framework has tasks or executors, in order.
    pub fn agents_of(&self, framework: &str) -> impl Iterator<Item = &AgentId> {
        let mut agents: Vec<&AgentId> = self.frameworks.get(framework).into_iter().flat_map(|of| &of.agents).collect();
        agents.sort_unstable();
        agents.into_iter()
    }
}

/// Executors.
impl Tasks {
    pub fn executor(&self, agent: &str, framework: &str, executor: &str) -> Option<&Executor> {
        self.usage(agent, framework)?.executors.get(executor)
    }

    /// Returns the ids of a framework's executors on an agent, in order.
    pub fn executor_ids(&self, agent: &str, framework: &str) -> Vec<ExecutorId> {
        self.usage(agent, framework).map(|usage| usage.executors.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn insert_executor(&mut self, executor: Executor) {
        let ExecutorSnapshot { framework, agent, info } = &*executor.snapshot;
        let id = ExecutorId::from(&info.executor_id);
        self.frameworks.entry(framework.clone()).or_default().agents.insert(agent.clone());
        self.agents.entry(agent.clone()).or_default().entry(framework).executors.insert(id, executor);
    }

    pub fn remove_executor(&mut self, agent: &AgentId, framework: &FrameworkId, id: &ExecutorId) -> Option<Executor> {
        let executor = self.agents.get_mut(agent)?.get_mut(framework.as_str())?.executors.remove(id)?;
        self.remove_empty_usage(agent, framework);
        Some(executor)
    }
}

/// Histories.
impl Tasks {
    /// Returns whether a task is on an unreachable agent.
    pub fn is_unreachable(&self, framework: &str, task: &str) -> bool {
        self.frameworks.get(framework).is_some_and(|of| of.unreachable.contains(task))
    }

    /// Iterates over the unreachable tasks of a framework, ordered by id.
    pub fn unreachable_of(&self, framework: &str) -> impl Iterator<Item = (&TaskId, &Arc<TaskSnapshot>)> {
        self.frameworks.get(framework).into_iter().flat_map(|of| of.unreachable.iter())
    }

    /// Adds an unreachable task; returns the number of older ones that are dropped for it.
    pub fn add_unreachable(
        &mut self,
        framework: &FrameworkId,
        id: TaskId,
        task: Arc<TaskSnapshot>,
        limit: usize,
    ) -> usize {
        self.frameworks.entry(framework.clone()).or_default().unreachable.add(id, task, limit)
    }

    pub fn take_unreachable(&mut self, framework: &str, task: &str) -> Option<Arc<TaskSnapshot>> {
        self.frameworks.get_mut(framework)?.unreachable.remove(task)
    }

    /// Removes and returns all unreachable tasks of a framework, ordered by id.
    pub fn take_all_unreachable(&mut self, framework: &str) -> Vec<(TaskId, Arc<TaskSnapshot>)> {
        self.frameworks.get_mut(framework).map(|of| of.unreachable.drain().collect()).unwrap_or_default()
    }

    /// Keeps, for a while, that the terminal update of a task was acknowledged.
    pub fn add_recently_completed(&mut self, framework: &FrameworkId, id: TaskId, agent: AgentId) {
        self.frameworks.entry(framework.clone()).or_default().recently_completed.add(id, agent);
    }

    pub fn is_recently_completed(&self, framework: &str, task: &str, agent: &str) -> bool {
        self.frameworks.get(framework).is_some_and(|of| of.recently_completed.contains(task, agent))
    }
}
