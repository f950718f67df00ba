//! The frameworks of an agent with their executors and tasks, and every index over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::v1;
use model::agent::{Change, FrameworkSnapshot};
use model::{ContainerId, ExecutorId, FrameworkId, StreamId, TaskId, is_terminal};
use resources::Resources;

use super::executor::{Batch, Executor, ExecutorConnection};
use super::framework::Framework;
use super::task::{append_status, task_state};
use crate::effects::Context;
use model::agent::Metrics;

/// All frameworks that have something on this agent.
///
/// The index keeps the following in agreement with the executors and tasks: the executor of each container and stream,
/// the executor of each task, the sum of the allocations, and the gauges of frameworks, tasks, executors and used
/// resources.
#[derive(Debug)]
pub(crate) struct Frameworks {
    by_id: BTreeMap<FrameworkId, Framework>,
    containers: BTreeMap<ContainerId, (FrameworkId, ExecutorId)>,
    /// The event streams of executors that speak HTTP.
    streams: BTreeMap<StreamId, (FrameworkId, ExecutorId)>,
    /// The sum of the allocations of all executors.
    used: Resources,
    /// The number of the newest batch.
    batches: u64,
    metrics: Arc<Metrics>,
}

/// A task that has been removed because its framework knows its end.
#[derive(Debug)]
pub(crate) struct RemovedTask {
    /// The executor that ran it.
    pub executor: ExecutorId,
    /// The container of the executor.
    pub container: ContainerId,
    /// Whether its executor has ended, and this was its last task.
    pub was_last_of_ended: bool,
}

impl Frameworks {
    /// Creates an empty set of frameworks. The gauges are written to `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Frameworks {
            by_id: BTreeMap::new(),
            containers: BTreeMap::new(),
            streams: BTreeMap::new(),
            used: Resources::new(),
            batches: 0,
            metrics,
        }
    }

    /// Returns the framework with this id.
    pub fn get(&self, id: &FrameworkId) -> Option<&Framework> {
        self.by_id.get(id)
    }

    /// Returns the framework with this id for a change.
    pub fn get_mut(&mut self, id: &FrameworkId) -> Option<&mut Framework> {
        self.by_id.get_mut(id)
    }

    /// Returns whether the framework is known.
    pub fn contains(&self, id: &FrameworkId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Iterates over all frameworks by id.
    pub fn iter(&self) -> impl Iterator<Item = &Framework> {
        self.by_id.values()
    }

    /// Returns the ids of all frameworks in ascending order.
    pub fn ids(&self) -> Vec<FrameworkId> {
        self.by_id.keys().cloned().collect()
    }

    /// Returns whether there is no framework.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Iterates over all executors by framework and id.
    pub fn executors(&self) -> impl Iterator<Item = &Executor> {
        self.by_id.values().flat_map(Framework::executors)
    }

    /// Returns the sum of the allocations of all executors.
    pub fn used(&self) -> &Resources {
        &self.used
    }

    /// Adds a framework without executors.
    pub fn add(&mut self, snapshot: Arc<FrameworkSnapshot>) {
        self.by_id.insert(snapshot.id.clone(), Framework::new(snapshot));
        self.metrics.frameworks_active.set(self.by_id.len() as i64);
    }

    /// Removes a framework that has no executors. Returns false if it has some or is unknown.
    pub fn remove_if_idle(&mut self, id: &FrameworkId) -> bool {
        if self.by_id.get(id).is_none_or(|framework| !framework.is_idle()) {
            return false;
        }
        self.by_id.remove(id);
        self.metrics.frameworks_active.set(self.by_id.len() as i64);
        true
    }

    /// Returns the executor with this id.
    pub fn executor(&self, framework: &FrameworkId, id: &ExecutorId) -> Option<&Executor> {
        self.by_id.get(framework)?.executor(id)
    }

    /// Returns the executor with this id for a change.
    pub fn executor_mut(&mut self, framework: &FrameworkId, id: &ExecutorId) -> Option<&mut Executor> {
        self.by_id.get_mut(framework)?.executors.get_mut(id)
    }

    /// Returns the executor that runs in this container.
    pub fn by_container(&self, container: &ContainerId) -> Option<(FrameworkId, ExecutorId)> {
        self.containers.get(container).cloned()
    }

    /// Returns whether an executor runs in this container.
    pub fn has_container(&self, container: &ContainerId) -> bool {
        self.containers.contains_key(container)
    }

    /// Returns whether a task that is not completed has this id.
    pub fn has_task(&self, framework: &FrameworkId, task: &TaskId) -> bool {
        self.by_id.get(framework).is_some_and(|framework| framework.tasks.contains_key(task))
    }

    /// Returns the executor of a task.
    pub fn executor_of(&self, framework: &FrameworkId, task: &TaskId) -> Option<&Executor> {
        let framework = self.by_id.get(framework)?;
        framework.executor(framework.tasks.get(task)?)
    }

    /// Adds an executor with its tasks.
    pub fn add_executor(&mut self, executor: Executor) {
        let Some(framework) = self.by_id.get_mut(executor.framework()) else { return };
        self.metrics.executor_entered(executor.state());
        for (id, task) in &executor.tasks {
            framework.tasks.insert(id.clone(), executor.id().clone());
            if !is_terminal(task_state(task.state)) {
                self.metrics.task_entered(task_state(task.state));
            }
        }
        self.used += executor.allocated();
        self.containers.insert(executor.container().clone(), (executor.framework().clone(), executor.id().clone()));
        framework.executors.insert(executor.id().clone(), executor);
        self.metrics.set_used(&self.used);
    }

    /// Removes an executor with its tasks.
    pub fn remove_executor(&mut self, framework: &FrameworkId, id: &ExecutorId) -> Option<Executor> {
        let framework = self.by_id.get_mut(framework)?;
        let executor = framework.executors.remove(id)?;
        framework.tasks.retain(|_, owner| owner != id);
        self.containers.remove(executor.container());
        if let ExecutorConnection::Http(stream) = &executor.connection {
            self.streams.remove(stream);
        }
        for task in executor.tasks.values() {
            self.metrics.task_left(task_state(task.state));
        }
        self.used -= executor.allocated();
        self.metrics.set_used(&self.used);
        Some(executor)
    }

    /// Gives an executor a task that is staging, and the task's resources.
    pub fn add_task(&mut self, framework: &FrameworkId, id: &ExecutorId, task: Arc<v1::Task>) {
        let Some(framework) = self.by_id.get_mut(framework) else { return };
        let Some(executor) = framework.executors.get_mut(id) else { return };
        let resources = Resources::from_proto(&task.resources).unwrap_or_default();
        executor.allocated += &resources;
        self.used += &resources;
        self.metrics.set_used(&self.used);
        self.metrics.task_entered(task_state(task.state));
        let task_id = TaskId::from(&task.task_id);
        framework.tasks.insert(task_id.clone(), id.clone());
        executor.tasks.insert(task_id, task);
    }

    /// Reserves the number of the next batch.
    pub fn next_batch(&mut self) -> u64 {
        self.batches += 1;
        self.batches
    }

    /// Queues a batch until its records are durable and its executor has registered.
    pub fn enqueue(&mut self, framework: &FrameworkId, id: &ExecutorId, batch: Batch) {
        if let Some(executor) = self.executor_mut(framework, id) {
            executor.queued.push_back(batch);
        }
    }

    /// Appends a status to a task, which gets the state of the status. Returns the new task.
    pub fn set_status(
        &mut self,
        framework: &FrameworkId,
        task: &TaskId,
        status: &v1::TaskStatus,
    ) -> Option<Arc<v1::Task>> {
        let framework = self.by_id.get_mut(framework)?;
        let entry = framework.executor_of(task)?.tasks.get_mut(task)?;
        self.metrics.task_left(task_state(entry.state));
        append_status(Arc::make_mut(entry), status);
        self.metrics.task_entered(task_state(entry.state));
        Some(entry.clone())
    }

    /// Records which update of a task was forwarded to the master. Returns the new task; `None` if nothing changed.
    pub fn set_forwarded(
        &mut self,
        framework: &FrameworkId,
        task: &TaskId,
        update: &messages::internal::StatusUpdate,
    ) -> Option<Arc<v1::Task>> {
        let framework = self.by_id.get_mut(framework)?;
        let entry = framework.executor_of(task)?.tasks.get_mut(task)?;
        if entry.status_update_uuid == update.uuid {
            return None;
        }
        let task = Arc::make_mut(entry);
        task.status_update_state = Some(update.status.state);
        task.status_update_uuid.clone_from(&update.uuid);
        Some(entry.clone())
    }

    /// Subtracts the resources of a task that has ended from its executor.
    pub fn release(&mut self, framework: &FrameworkId, id: &ExecutorId, resources: &Resources) {
        let Some(executor) = self.by_id.get_mut(framework).and_then(|framework| framework.executors.get_mut(id)) else {
            return;
        };
        executor.allocated -= resources;
        self.used -= resources;
        self.metrics.set_used(&self.used);
    }

    /// Removes a task that has ended and whose end its framework has acknowledged. Returns `None` if it is unknown or
    /// has not ended: its id may have been used again.
    pub fn remove_task(&mut self, framework: &FrameworkId, task: &TaskId) -> Option<RemovedTask> {
        let framework = self.by_id.get_mut(framework)?;
        let executor = framework.executor_of(task)?;
        let ended = |entry: &Arc<v1::Task>| is_terminal(task_state(entry.state));
        executor.tasks.get(task).filter(|entry| ended(entry))?;
        executor.tasks.remove(task);
        let removed = RemovedTask {
            executor: executor.id().clone(),
            container: executor.container().clone(),
            was_last_of_ended: executor.is_terminated() && executor.tasks.is_empty(),
        };
        framework.tasks.remove(task);
        Some(removed)
    }

    /// Sends the executor's events to this stream from now on. Returns the stream before.
    pub fn connect_stream(&mut self, framework: &FrameworkId, id: &ExecutorId, stream: StreamId) -> Option<StreamId> {
        let executor = self.by_id.get_mut(framework)?.executors.get_mut(id)?;
        let old = match std::mem::replace(&mut executor.connection, ExecutorConnection::Http(stream)) {
            ExecutorConnection::Http(old) => Some(old),
            ExecutorConnection::Libprocess(_) | ExecutorConnection::None => None,
        };
        if let Some(old) = old {
            self.streams.remove(&old);
        }
        self.streams.insert(stream, (framework.clone(), id.clone()));
        old
    }

    /// Removes the connection of an executor, and returns it.
    pub fn disconnect(&mut self, framework: &FrameworkId, id: &ExecutorId) -> ExecutorConnection {
        let Some(executor) = self.executor_mut(framework, id) else { return ExecutorConnection::None };
        let connection = std::mem::replace(&mut executor.connection, ExecutorConnection::None);
        if let ExecutorConnection::Http(stream) = &connection {
            self.streams.remove(stream);
        }
        connection
    }

    /// Removes a stream that has ended.
    pub fn stream_closed(&mut self, stream: StreamId) {
        let Some((framework, id)) = self.streams.remove(&stream) else { return };
        let executor = self.executor_mut(&framework, &id);
        if let Some(executor) = executor.filter(|executor| executor.connection == ExecutorConnection::Http(stream)) {
            executor.connection = ExecutorConnection::None;
        }
    }

    /// Iterates over the streams of all executors that have one.
    pub fn streams(&self) -> impl ExactSizeIterator<Item = StreamId> {
        self.streams.keys().copied()
    }

    /// Publishes the state of an executor to readers.
    pub fn publish_executor(&self, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
        if let Some(executor) = self.executor(framework, id) {
            cx.publish(Change::ExecutorUpdated(executor.snapshot()));
        }
    }
}
