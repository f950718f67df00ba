//! The tasks and executors of each framework on one agent. Most agents have tasks of only a few frameworks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::master::ExecutorSnapshot;
use model::{ExecutorId, FrameworkId, TaskId};
use resources::Resources;

/// The tasks and executors of one framework on one agent.
#[derive(Debug, Default)]
pub(crate) struct AgentUsage {
    pub(super) tasks: TaskIds,
    pub(super) executors: BTreeMap<ExecutorId, Executor>,
}

/// An executor of a framework. The agent's own executors for command tasks are not listed.
#[derive(Debug)]
pub(crate) struct Executor {
    pub snapshot: Arc<ExecutorSnapshot>,
    /// The resources of the executor, allocated to its role.
    pub resources: Resources,
}

/// The ids of tasks, in order. A short list takes a tenth of the memory of a tree's node, and insertion into a long
/// list would be slow, so the list becomes a tree when it grows beyond `FEW`.
#[derive(Debug)]
pub(crate) enum TaskIds {
    Few(Vec<TaskId>),
    Many(BTreeSet<TaskId>),
}

impl Default for TaskIds {
    fn default() -> Self {
        TaskIds::Few(Vec::new())
    }
}

impl TaskIds {
    const FEW: usize = 8;

    pub fn is_empty(&self) -> bool {
        match self {
            TaskIds::Few(ids) => ids.is_empty(),
            TaskIds::Many(ids) => ids.is_empty(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &TaskId> {
        let (few, many) = match self {
            TaskIds::Few(ids) => (Some(ids), None),
            TaskIds::Many(ids) => (None, Some(ids)),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    pub fn insert(&mut self, id: TaskId) {
        match self {
            TaskIds::Few(ids) => {
                let Err(position) = ids.binary_search(&id) else { return };
                if ids.len() < Self::FEW {
                    ids.reserve_exact(1);
                    ids.insert(position, id);
                } else {
                    *self = TaskIds::Many(ids.drain(..).chain([id]).collect());
                }
            }
            TaskIds::Many(ids) => drop(ids.replace(id)),
        }
    }

    pub fn remove(&mut self, id: &TaskId) {
        match self {
            TaskIds::Few(ids) => {
                if let Ok(position) = ids.binary_search(id) {
                    ids.remove(position);
                }
            }
            TaskIds::Many(ids) => drop(ids.take(id)),
        }
    }
}

impl AgentUsage {
    /// Returns the ids of the tasks, in order.
    pub fn task_ids(&self) -> impl Iterator<Item = &TaskId> {
        self.tasks.iter()
    }

    /// Returns the executors, ordered by id.
    pub fn executors(&self) -> impl Iterator<Item = (&ExecutorId, &Executor)> {
        self.executors.iter()
    }
}

/// The number of frameworks up to which the list is allocated without spare capacity.
const FEW: usize = 4;

/// The usage of each framework on an agent, ordered by framework id. It is a list, because a tree's node has room for
/// eleven entries, which would be allocated for every agent of the cluster.
#[derive(Debug, Default)]
pub(crate) struct UsageByFramework(Vec<(FrameworkId, AgentUsage)>);

impl UsageByFramework {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the frameworks and their usage, ordered by framework id.
    pub fn iter(&self) -> impl Iterator<Item = (&FrameworkId, &AgentUsage)> {
        self.0.iter().map(|(framework, usage)| (framework, usage))
    }

    pub fn get(&self, framework: &str) -> Option<&AgentUsage> {
        Some(&self.0.get(self.position(framework).ok()?)?.1)
    }

    pub fn get_mut(&mut self, framework: &str) -> Option<&mut AgentUsage> {
        let position = self.position(framework).ok()?;
        Some(&mut self.0.get_mut(position)?.1)
    }

    /// Returns the usage of a framework on the agent; an empty one is inserted for a framework without any.
    pub fn entry(&mut self, framework: &FrameworkId) -> &mut AgentUsage {
        let position = self.position(framework.as_str()).unwrap_or_else(|position| {
            if self.0.len() < FEW {
                self.0.reserve_exact(1);
            }
            self.0.insert(position, (framework.clone(), AgentUsage::default()));
            position
        });
        &mut self.0[position].1
    }

    pub fn remove(&mut self, framework: &str) {
        if let Ok(position) = self.position(framework) {
            self.0.remove(position);
        }
    }

    fn position(&self, framework: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(id, _)| id.as_str().cmp(framework))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::TaskId;
    use proptest::prelude::*;

    use super::{TaskIds, UsageByFramework};

    proptest! {
        /// The list and the tree are the same ordered set to callers, while ids are added and while they are removed.
        #[test]
        fn task_ids_are_an_ordered_set(steps in prop::collection::vec((any::<bool>(), 0..24u8), 0..80)) {
            let mut ids = TaskIds::default();
            let mut model = BTreeSet::new();
            for (add, number) in steps {
                let id = TaskId::new(format!("{number:03}"));
                if add {
                    ids.insert(id.clone());
                    model.insert(id);
                } else {
                    ids.remove(&id);
                    model.remove(&id);
                }
                prop_assert!(ids.iter().eq(model.iter()));
                prop_assert_eq!(ids.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn frameworks_are_found_and_ordered_by_id() {
        let mut usages = UsageByFramework::default();
        let ids = ["c", "a", "b", "e", "d", "f"].map(model::FrameworkId::new);
        for id in &ids {
            usages.entry(id).tasks.insert(TaskId::new(id.as_str()));
            usages.entry(id).tasks.insert(TaskId::new("t"));
        }
        usages.remove("d");
        usages.remove("d");
        let order: Vec<&str> = usages.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(order, ["a", "b", "c", "e", "f"]);
        assert_eq!(usages.get("b").map(|usage| usage.task_ids().count()), Some(2));
        assert!(usages.get("d").is_none() && usages.get_mut("d").is_none() && !usages.is_empty());
    }
}
