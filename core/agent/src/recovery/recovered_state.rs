//! The state that all records describe. The store keeps one beside the log, to replace a long log by a short one; a
//! restarted agent reads one from the log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use messages::v1;
use model::agent::Draining;
use model::{AgentId, ContainerId, ExecutorId, FrameworkId, TaskId, is_terminal};

use super::checkpointed::{CheckpointedExecutor, CheckpointedFramework, CheckpointedResources, CheckpointedUpdates};
use super::history::{self, History};
use crate::effects::Record;
use crate::frameworks::task::{append_status, task_state};
use crate::sandboxes::paths;

/// The state that the durable records of an agent describe together (Mesos: `slave::state::State`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecoveredState {
    pub(super) agent: Option<Arc<v1::AgentInfo>>,
    pub(super) boot_id: Option<String>,
    pub(super) frameworks: BTreeMap<FrameworkId, CheckpointedFramework>,
    pub(super) updates: BTreeMap<(FrameworkId, TaskId), CheckpointedUpdates>,
    pub(super) resources: CheckpointedResources,
    pub(super) draining: Option<Arc<Draining>>,
    pub(super) history: History,
    containers: BTreeMap<ContainerId, (FrameworkId, ExecutorId)>,
    /// Frameworks that do not checkpoint: nothing of them outlives the agent, as in Mesos.
    volatile: BTreeSet<FrameworkId>,
}

impl FromIterator<Record> for RecoveredState {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let mut recovered_state = RecoveredState::default();
        for record in records {
            recovered_state.apply(&record);
        }
        recovered_state
    }
}

impl RecoveredState {
    /// Returns whether nothing was ever recorded, or the agent has left the cluster.
    pub fn is_new(&self) -> bool {
        self.agent.is_none()
    }

    /// Iterates over the containers that ran when the last record was made.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerId> {
        let live = |(id, owner): &(&ContainerId, &(FrameworkId, ExecutorId))| {
            let executor = self.frameworks.get(&owner.0).and_then(|framework| framework.executors.get(&owner.1));
            executor.is_some_and(|executor| !executor.done && executor.container == **id)
        };
        self.containers.iter().filter(live).map(|(id, _)| id)
    }

    /// Returns the sandbox of this container.
    pub fn sandbox(&self, work_dir: &Path, container: &ContainerId) -> Option<PathBuf> {
        let agent = self.agent.as_ref()?.id.as_ref().map(AgentId::from)?;
        let (framework, executor) = self.containers.get(container)?;
        Some(paths::run(work_dir, &agent, framework, executor, container))
    }

    /// Returns the description of the executor of a container.
    pub fn executor_info(&self, container: &ContainerId) -> Option<&v1::ExecutorInfo> {
        let (framework, executor) = self.containers.get(container)?;
        Some(&self.frameworks.get(framework)?.executors.get(executor)?.info)
    }

    /// Returns the task of a container whose executor the agent has generated for it; `None` for every other container.
    pub fn command_task(&self, container: &ContainerId) -> Option<TaskId> {
        let (framework, executor) = self.containers.get(container)?;
        let found = self.frameworks.get(framework)?.executors.get(executor)?;
        // Such an executor has the id of its task.
        found.command_task.then(|| TaskId::from(&v1::TaskId { value: executor.to_string() }))
    }

    /// Applies a record. Returns false if it need not outlive the agent.
    pub fn apply(&mut self, record: &Record) -> bool {
        if self.is_volatile(record) {
            return false;
        }
        match record {
            Record::AgentInfo(info) => self.agent = Some(info.clone()),
            Record::BootId(id) => self.boot_id = Some(id.clone()),
            Record::Framework { info, pid } => {
                let Some(id) = info.id.as_ref().map(FrameworkId::from) else { return false };
                let framework = self.frameworks.entry(id).or_insert_with(|| CheckpointedFramework {
                    info: info.clone(),
                    pid: None,
                    executors: BTreeMap::new(),
                    tasks: BTreeMap::new(),
                });
                (framework.info, framework.pid) = (info.clone(), pid.clone());
            }
            Record::FrameworkRemoved(id) => self.remove_framework(id),
            Record::UpdatesForgotten(id) => self.updates.retain(|(framework, _), _| framework != id),
            Record::Executor { framework, container, info, command_task } => {
                self.add_executor(framework, container, info, *command_task);
            }
            Record::ExecutorLink { framework, executor, container, pid } => {
                if let Some(executor) = self.executor(framework, executor, container) {
                    executor.driver = pid.clone();
                }
            }
            Record::Task { container, task, .. } => self.add_task(container, task),
            Record::CompletedTask { container, task, .. } => {
                if let Some(executor) = self.executor_in(container) {
                    history::complete(&mut executor.completed, task.clone());
                }
            }
            Record::Update { framework, task, status } => self.update(framework, task, status),
            Record::Acknowledged { framework, task, uuid } => return self.acknowledge(framework, task, uuid),
            Record::ContainerDone { framework, executor, container } => {
                if let Some(executor) = self.executor(framework, executor, container) {
                    executor.done = true;
                }
            }
            Record::ExecutorRemoved { framework, executor, container } => {
                self.remove_executor(framework, executor, container);
            }
            Record::Resources { resources, target, operation } => {
                (self.resources.checkpointed, self.resources.target) = (resources.clone(), target.clone());
                if let Some(operation) = operation {
                    self.resources.operations.insert(operation.uuid.value.clone(), operation.clone());
                }
            }
            Record::OperationDone { operation } => {
                self.resources.operations.remove(operation.as_bytes().as_slice());
            }
            Record::Drain(draining) => self.draining = draining.clone(),
            Record::Reset => self.reset(),
        }
        true
    }

    /// Returns the shortest list of records that describes the same state.
    pub fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        records.extend(self.boot_id.clone().map(Record::BootId));
        records.extend(self.agent.clone().map(Record::AgentInfo));
        self.resources.records(&mut records);
        records.extend(self.draining.clone().map(|draining| Record::Drain(Some(draining))));
        // The updates come before the tasks, which have their latest states already and must not go through them again.
        for ((framework, task), updates) in &self.updates {
            let update = |status: &Arc<v1::TaskStatus>| Record::Update {
                framework: framework.clone(),
                task: task.clone(),
                status: status.clone(),
            };
            records.extend(updates.pending.iter().map(update));
        }
        self.history.records(&mut records);
        for (id, framework) in &self.frameworks {
            records.push(Record::Framework { info: framework.info.clone(), pid: framework.pid.clone() });
            for (executor_id, executor) in &framework.executors {
                executor.records(id, executor_id, &mut records);
            }
        }
        // The acknowledgements come after the tasks, since those of unknown tasks are not kept.
        for ((framework, task), updates) in &self.updates {
            let acknowledged = |uuid: &Vec<u8>| Record::Acknowledged {
                framework: framework.clone(),
                task: task.clone(),
                uuid: uuid.clone(),
            };
            records.extend(updates.acknowledged.iter().map(acknowledged));
        }
        records
    }

    fn is_volatile(&mut self, record: &Record) -> bool {
        let id = match record {
            Record::Framework { info, .. } => {
                let Some(id) = info.id.as_ref().map(FrameworkId::from) else { return true };
                if !info.checkpoint.unwrap_or(false) && !self.frameworks.contains_key(&id) {
                    self.volatile.insert(id);
                    return true;
                }
                self.volatile.remove(&id);
                return false;
            }
            Record::FrameworkRemoved(id) => return self.volatile.remove(id),
            Record::UpdatesForgotten(id) => id,
            Record::Executor { framework, .. }
            | Record::ExecutorLink { framework, .. }
            | Record::Task { framework, .. }
            | Record::CompletedTask { framework, .. }
            | Record::Update { framework, .. }
            | Record::Acknowledged { framework, .. }
            | Record::ContainerDone { framework, .. }
            | Record::ExecutorRemoved { framework, .. } => framework,
            Record::AgentInfo(_)
            | Record::BootId(_)
            | Record::Resources { .. }
            | Record::OperationDone { .. }
            | Record::Drain(_)
            | Record::Reset => return false,
        };
        self.volatile.contains(id)
    }

    /// Removes everything but volumes: they belong to the disk, and the next agent on it finds them, as with Mesos.
    fn reset(&mut self) {
        let resources = CheckpointedResources { operations: BTreeMap::new(), ..std::mem::take(&mut self.resources) };
        let volatile = std::mem::take(&mut self.volatile);
        *self = RecoveredState { boot_id: self.boot_id.take(), resources, volatile, ..RecoveredState::default() };
    }

    fn executor(
        &mut self,
        framework: &FrameworkId,
        executor: &ExecutorId,
        container: &ContainerId,
    ) -> Option<&mut CheckpointedExecutor> {
        let executor = self.frameworks.get_mut(framework)?.executors.get_mut(executor)?;
        (executor.container == *container).then_some(executor)
    }

    fn add_executor(
        &mut self,
        framework_id: &FrameworkId,
        container: &ContainerId,
        info: &Arc<v1::ExecutorInfo>,
        command_task: bool,
    ) {
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        let id = ExecutorId::from(&info.executor_id);
        let executor = CheckpointedExecutor {
            container: container.clone(),
            info: info.clone(),
            command_task,
            driver: None,
            done: false,
            tasks: BTreeMap::new(),
            completed: Default::default(),
        };
        if let Some(old) = framework.executors.insert(id.clone(), executor) {
            self.containers.remove(&old.container);
        }
        self.containers.insert(container.clone(), (framework_id.clone(), id));
    }

    fn executor_in(&mut self, container: &ContainerId) -> Option<&mut CheckpointedExecutor> {
        let (framework, executor) = self.containers.get(container)?;
        self.frameworks.get_mut(framework)?.executors.get_mut(executor)
    }

    fn add_task(&mut self, container: &ContainerId, task: &Arc<v1::Task>) {
        let Some((framework, executor)) = self.containers.get(container) else { return };
        let Some(framework) = self.frameworks.get_mut(framework) else { return };
        if let Some(entry) = framework.executors.get_mut(executor) {
            let id = TaskId::from(&task.task_id);
            entry.tasks.insert(id.clone(), task.clone());
            framework.tasks.insert(id, executor.clone());
        }
    }

    fn update(&mut self, framework: &FrameworkId, task: &TaskId, status: &Arc<v1::TaskStatus>) {
        let updates = self.updates.entry((framework.clone(), task.clone())).or_default();
        if updates.knows(status.uuid()) {
            return;
        }
        updates.pending.push_back(status.clone());
        let entry = self.frameworks.get_mut(framework).and_then(|framework| {
            let executor = framework.tasks.get(task)?;
            framework.executors.get_mut(executor)?.tasks.get_mut(task)
        });
        if let Some(entry) = entry.filter(|entry| !is_terminal(task_state(entry.state))) {
            append_status(Arc::make_mut(entry), status);
        }
    }

    fn acknowledge(&mut self, framework: &FrameworkId, task: &TaskId, uuid: &[u8]) -> bool {
        let known = self.frameworks.get(framework).is_some_and(|framework| framework.tasks.contains_key(task));
        let key = (framework.clone(), task.clone());
        if !known && !self.updates.contains_key(&key) {
            return false;
        }
        let updates = self.updates.entry(key.clone()).or_default();
        let over = updates.acknowledge(uuid);
        if over || (!known && updates.pending.is_empty()) {
            self.updates.remove(&key);
        }
        if over {
            self.complete(framework, task);
        }
        true
    }

    /// Completes a task whose end the framework has acknowledged.
    fn complete(&mut self, framework: &FrameworkId, task: &TaskId) {
        let Some(framework) = self.frameworks.get_mut(framework) else { return };
        let Some(executor) = framework.tasks.get(task).and_then(|id| framework.executors.get_mut(id)) else { return };
        // The id may have been used again since the update that is acknowledged.
        if executor.tasks.get(task).is_some_and(|entry| is_terminal(task_state(entry.state))) {
            if let Some(entry) = executor.tasks.remove(task) {
                history::complete(&mut executor.completed, entry);
            }
            framework.tasks.remove(task);
        }
    }

    fn remove_executor(&mut self, framework: &FrameworkId, id: &ExecutorId, container: &ContainerId) {
        if self.executor(framework, id, container).is_none() {
            return;
        }
        self.containers.remove(container);
        if let Some(framework) = self.frameworks.get_mut(framework) {
            framework.tasks.retain(|_, owner| owner != id);
            if let Some(executor) = framework.executors.remove(id) {
                self.history.push(framework.info.clone(), executor);
            }
        }
    }

    fn remove_framework(&mut self, id: &FrameworkId) {
        if let Some(framework) = self.frameworks.remove(id) {
            for executor in framework.executors.into_values() {
                self.containers.remove(&executor.container);
                self.history.push(framework.info.clone(), executor);
            }
        }
        self.updates.retain(|(framework, _), updates| framework != id || !updates.pending.is_empty());
    }
}
