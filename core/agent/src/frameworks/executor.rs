//! The state of one executor.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use messages::v1;
use messages::v1::TaskState;
use model::agent::{ExecutorSnapshot, ExecutorState};
use model::{ContainerId, ExecutorId, FrameworkId, StreamId, TaskId, Upid, is_terminal};
use resources::Resources;

use super::task::task_state;
use model::agent::Metrics;

/// The connection of an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExecutorConnection {
    /// The executor has not registered yet, or its stream has ended and it has not reconnected.
    None,
    /// Events on this stream.
    Http(StreamId),
    /// Messages to this process.
    Libprocess(Upid),
}

/// Tasks that arrived together and are delivered or killed together: one task, or a task group.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The number of the batch, unique on this agent.
    pub number: u64,
    /// The tasks, in the order in which they are delivered.
    pub tasks: Vec<Arc<v1::TaskInfo>>,
    /// Whether it is a task group.
    pub group: bool,
    /// Whether its records are durable, so that it may be delivered.
    pub stored: bool,
}

impl Batch {
    /// Returns whether the task is part of it.
    pub fn has(&self, task: &TaskId) -> bool {
        self.tasks.iter().any(|t| t.task_id.value == task.as_str())
    }
}

/// The progress of the launch of an executor's container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaunchProgress {
    NotRequested,
    /// The containerizer has been told to start it.
    Requested,
    /// The container has been started; the value is the pid of its process.
    Launched(u32),
}

/// The reason for which the agent ended an executor, for the tasks that it has when it ends.
#[derive(Debug, Clone)]
pub(crate) struct Termination {
    /// The state of the tasks' last update.
    pub state: TaskState,
    /// The reason of the tasks' last update.
    pub reason: v1::task_status::Reason,
    /// The message of the tasks' last update.
    pub message: String,
}

/// An executor with its tasks. Its identity never changes. Parts that [`Frameworks`](super::index::Frameworks) indexes or sums up can only be
/// changed through it.
#[derive(Debug)]
pub(crate) struct Executor {
    framework: FrameworkId,
    id: ExecutorId,
    container: ContainerId,
    info: Arc<v1::ExecutorInfo>,
    sandbox: PathBuf,
    user: Option<String>,
    command_task: bool,
    launch: LaunchProgress,
    /// Kills that arrived while the executor had no stream. Mesos loses them.
    kills: BTreeMap<TaskId, Option<Box<v1::KillPolicy>>>,
    /// The reason for which the agent is ending it; `None` if it is not.
    pending_termination: Option<Termination>,
    pub(super) state: ExecutorState,
    pub(super) connection: ExecutorConnection,
    /// The batches that are accepted but not yet delivered, the oldest first.
    pub(super) queued: VecDeque<Batch>,
    /// The tasks that are queued, delivered, or terminal but unacknowledged.
    pub(super) tasks: BTreeMap<TaskId, Arc<v1::Task>>,
    /// Whether it was given a task, or may have been by an earlier process of the agent.
    ever_sent_task: bool,
    /// The resources of the executor itself and its live tasks.
    pub(super) allocated: Resources,
}

impl Executor {
    /// Creates an executor that is registering and has no tasks. `info` has its id.
    pub fn new(
        framework: FrameworkId,
        info: Arc<v1::ExecutorInfo>,
        container: ContainerId,
        sandbox: PathBuf,
        user: Option<String>,
        command_task: bool,
    ) -> Self {
        Executor {
            framework,
            id: ExecutorId::from(&info.executor_id),
            container,
            allocated: Resources::from_proto(&info.resources).unwrap_or_default(),
            info,
            sandbox,
            user,
            command_task,
            launch: LaunchProgress::NotRequested,
            kills: BTreeMap::new(),
            pending_termination: None,
            state: ExecutorState::Registering,
            connection: ExecutorConnection::None,
            queued: VecDeque::new(),
            tasks: BTreeMap::new(),
            ever_sent_task: false,
        }
    }

    /// Adds the tasks that an earlier process of the agent gave it. `pid` is the id of its process, if that runs.
    pub fn recovered(self, tasks: BTreeMap<TaskId, Arc<v1::Task>>, pid: Option<u32>) -> Self {
        let mut allocated = self.allocated.clone();
        for task in tasks.values().filter(|task| !is_terminal(task_state(task.state))) {
            allocated += &Resources::from_proto(&task.resources).unwrap_or_default();
        }
        let launch = pid.map_or(LaunchProgress::NotRequested, LaunchProgress::Launched);
        Executor { tasks, allocated, launch, ever_sent_task: true, ..self }
    }

    /// Returns the executor's framework.
    pub fn framework(&self) -> &FrameworkId {
        &self.framework
    }

    /// Returns the executor's id, which is unique among the running executors of its framework.
    pub fn id(&self) -> &ExecutorId {
        &self.id
    }

    /// Returns the container that it runs in. Each launch has another one.
    pub fn container(&self) -> &ContainerId {
        &self.container
    }

    /// Returns the executor's description, as its framework sent it.
    pub fn info(&self) -> &Arc<v1::ExecutorInfo> {
        &self.info
    }

    /// Returns the absolute path of the sandbox.
    pub fn sandbox(&self) -> &Path {
        &self.sandbox
    }

    /// Returns the user that it runs as; `None` for the agent's own.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns whether the agent generated it for a task that is a single command.
    pub fn is_command_task(&self) -> bool {
        self.command_task
    }

    /// Returns its state.
    pub fn state(&self) -> ExecutorState {
        self.state
    }

    /// Changes its state, and the gauges of executors with it.
    pub fn enter(&mut self, state: ExecutorState, metrics: &Metrics) {
        if self.state != state {
            metrics.executor_left(self.state);
            metrics.executor_entered(state);
            self.state = state;
        }
    }

    /// Returns whether it may be given tasks.
    pub fn is_live(&self) -> bool {
        matches!(self.state, ExecutorState::Registering | ExecutorState::Running)
    }

    /// Returns whether it has not registered yet.
    pub fn is_registering(&self) -> bool {
        self.state == ExecutorState::Registering
    }

    /// Returns whether it has registered and is not being ended.
    pub fn is_running(&self) -> bool {
        self.state == ExecutorState::Running
    }

    /// Returns whether its container has ended.
    pub fn is_terminated(&self) -> bool {
        self.state == ExecutorState::Terminated
    }

    /// Returns whether the containerizer has been told to start it.
    pub fn is_launch_requested(&self) -> bool {
        self.launch != LaunchProgress::NotRequested
    }

    /// Records that the containerizer is asked to start it.
    pub fn request_launch(&mut self) {
        self.launch = LaunchProgress::Requested;
    }

    /// Returns the pid of the executor's process; `None` before it has been started.
    pub fn pid(&self) -> Option<u32> {
        match self.launch {
            LaunchProgress::Launched(pid) => Some(pid),
            LaunchProgress::NotRequested | LaunchProgress::Requested => None,
        }
    }

    /// Records that the executor's container has been started with this pid. It has no effect if no start was
    /// requested.
    pub fn launched(&mut self, pid: u32) {
        if self.is_launch_requested() {
            self.launch = LaunchProgress::Launched(pid);
        }
    }

    /// Returns the reason for which the agent is ending the executor; `None` if it is not.
    pub fn pending_termination(&self) -> Option<&Termination> {
        self.pending_termination.as_ref()
    }

    /// Records that the agent is ending it, with the reason for the updates of its tasks.
    pub fn set_pending_termination(&mut self, termination: Termination) {
        self.pending_termination = Some(termination);
    }

    /// Keeps a kill until it can be reached again.
    pub fn keep_kill(&mut self, task: TaskId, policy: Option<Box<v1::KillPolicy>>) {
        self.kills.insert(task, policy);
    }

    /// Takes the kills that came while it could not be reached, by task.
    pub fn take_kills(&mut self) -> BTreeMap<TaskId, Option<Box<v1::KillPolicy>>> {
        std::mem::take(&mut self.kills)
    }

    /// Returns its connection.
    pub fn connection(&self) -> &ExecutorConnection {
        &self.connection
    }

    /// Returns whether it can be reached.
    pub fn is_connected(&self) -> bool {
        self.connection != ExecutorConnection::None
    }

    /// Sends it driver messages from now on, to this process.
    pub fn connect_driver(&mut self, pid: Upid) {
        self.connection = ExecutorConnection::Libprocess(pid);
    }

    /// Returns the resources that it and its live tasks are allocated.
    pub fn allocated(&self) -> &Resources {
        &self.allocated
    }

    /// Returns its tasks that are queued, delivered, or terminal but unacknowledged.
    pub fn tasks(&self) -> &BTreeMap<TaskId, Arc<v1::Task>> {
        &self.tasks
    }

    /// Iterates over its tasks that have not ended.
    pub fn live_tasks(&self) -> impl Iterator<Item = (&TaskId, &Arc<v1::Task>)> {
        self.tasks.iter().filter(|(_, task)| !is_terminal(task_state(task.state)))
    }

    /// Returns whether it has this task, and the task has not ended.
    pub fn has_live_task(&self, task: &TaskId) -> bool {
        self.tasks.get(task).is_some_and(|task| !is_terminal(task_state(task.state)))
    }

    /// Returns whether the task waits for its records or for the executor.
    pub fn is_queued(&self, task: &TaskId) -> bool {
        self.queued.iter().any(|batch| batch.has(task))
    }

    /// Returns the first task that waits.
    pub fn first_queued(&self) -> Option<&Arc<v1::TaskInfo>> {
        self.queued.front()?.tasks.first()
    }

    /// Marks the records of a batch as durable.
    pub fn batch_stored(&mut self, number: u64) {
        if let Some(batch) = self.queued.iter_mut().find(|batch| batch.number == number) {
            batch.stored = true;
        }
    }

    /// Removes the batches whose records are durable from the queue, the oldest first, to be delivered.
    pub fn take_stored(&mut self) -> VecDeque<Batch> {
        let (stored, waiting): (VecDeque<Batch>, _) =
            std::mem::take(&mut self.queued).into_iter().partition(|batch| batch.stored);
        self.queued = waiting;
        self.ever_sent_task |= !stored.is_empty();
        stored
    }

    /// Removes the task from the queue. The rest of its group stays: the caller ends it task by task.
    pub fn dequeue(&mut self, task: &TaskId) {
        let Some(at) = self.queued.iter().position(|batch| batch.has(task)) else { return };
        let Some(batch) = self.queued.get_mut(at) else { return };
        batch.tasks.retain(|queued| queued.task_id.value != task.as_str());
        if batch.tasks.is_empty() {
            self.queued.remove(at);
        }
    }

    /// Returns whether this task is queued as part of a group, and the tasks of its batch, itself included.
    pub fn queued_with(&self, task: &TaskId) -> Option<(bool, Vec<TaskId>)> {
        let batch = self.queued.iter().find(|batch| batch.has(task))?;
        Some((batch.group, batch.tasks.iter().map(|t| TaskId::from(&t.task_id)).collect()))
    }

    /// Returns whether it was never given a task and has nothing queued, so that it has no use.
    pub fn has_no_work(&self) -> bool {
        !self.ever_sent_task && self.queued.is_empty()
    }

    /// Returns its state for readers.
    pub fn snapshot(&self) -> Arc<ExecutorSnapshot> {
        Arc::new(ExecutorSnapshot {
            framework: self.framework.clone(),
            id: self.id.clone(),
            container: self.container.clone(),
            info: self.info.clone(),
            sandbox: self.sandbox.clone(),
            state: self.state,
            resources: self.allocated.clone(),
            pid: self.pid(),
        })
    }
}
