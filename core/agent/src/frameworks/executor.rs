//! What the agent remembers of one executor.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use messages::v1;
use messages::v1::TaskState;
use model::agent::{ExecutorSnapshot, ExecutorState};
use model::{ContainerId, ExecutorId, FrameworkId, StreamId, TaskId, Upid, is_terminal};
use resources::Resources;

use super::task::task_state;
use crate::metrics::Metrics;

/// How to reach an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExecutorConnection {
    /// Not registered yet, or its stream has ended and it has not come back.
    None,
    /// Events on this stream.
    Http(StreamId),
    /// Messages to this process.
    Libprocess(Upid),
}

/// Tasks that arrived together and are delivered or killed together: one task, or a task group.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Unique on this agent.
    pub number: u64,
    /// In the order in which they are delivered.
    pub tasks: Vec<Arc<v1::TaskInfo>>,
    /// A task group.
    pub group: bool,
    /// Its records are durable, so it may be delivered.
    pub stored: bool,
}

impl Batch {
    /// Whether the task is part of it.
    pub fn has(&self, task: &TaskId) -> bool {
        self.tasks.iter().any(|t| t.task_id.value == task.as_str())
    }
}

/// How far the launch of an executor's container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaunchProgress {
    NotRequested,
    /// The containerizer has been told to start it.
    Requested,
    /// With the pid of its process.
    Launched(u32),
}

/// Why the agent ended an executor, for the tasks that are still there when it is over.
#[derive(Debug, Clone)]
pub(crate) struct Termination {
    /// The state the tasks end in.
    pub state: TaskState,
    /// The reason they are given.
    pub reason: v1::task_status::Reason,
    /// The message they are given.
    pub message: String,
}

/// An executor with its tasks. What [`Frameworks`](super::index::Frameworks) keeps an index or a sum of can only be
/// changed by way of it.
#[derive(Debug)]
pub(crate) struct Executor {
    /// Its framework.
    pub framework: FrameworkId,
    /// Unique among the executors of its framework that run.
    pub id: ExecutorId,
    /// The container it runs in; unique.
    pub container: ContainerId,
    /// As its framework describes it.
    pub info: Arc<v1::ExecutorInfo>,
    /// Absolute.
    pub sandbox: PathBuf,
    /// The user it runs as; `None` is the agent's own.
    pub user: Option<String>,
    /// Made up by the agent for a task that is a single command.
    pub command_task: bool,
    launch: LaunchProgress,
    /// Kills that came while the executor had no stream. Mesos loses them.
    kills: BTreeMap<TaskId, Option<Box<v1::KillPolicy>>>,
    /// Why the agent is ending it, if it is.
    pending_termination: Option<Termination>,
    pub(super) state: ExecutorState,
    pub(super) connection: ExecutorConnection,
    /// Accepted but not yet delivered, oldest first.
    pub(super) queued: VecDeque<Batch>,
    /// Queued, delivered, or terminal but unacknowledged.
    pub(super) tasks: BTreeMap<TaskId, Arc<v1::Task>>,
    /// It was given a task, or may have been by an earlier process of the agent.
    ever_sent_task: bool,
    /// Of the executor itself and its live tasks.
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

    /// Takes up the tasks that an earlier process of the agent gave it. `pid` is that of its process, if that runs.
    pub fn recovered(self, tasks: BTreeMap<TaskId, Arc<v1::Task>>, pid: Option<u32>) -> Self {
        let mut allocated = self.allocated.clone();
        for task in tasks.values().filter(|task| !is_terminal(task_state(task.state))) {
            allocated += &Resources::from_proto(&task.resources).unwrap_or_default();
        }
        let launch = pid.map_or(LaunchProgress::NotRequested, LaunchProgress::Launched);
        Executor { tasks, allocated, launch, ever_sent_task: true, ..self }
    }

    /// Its state.
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

    /// Whether it may be given tasks.
    pub fn is_live(&self) -> bool {
        matches!(self.state, ExecutorState::Registering | ExecutorState::Running)
    }

    /// Whether it has yet to register.
    pub fn is_registering(&self) -> bool {
        self.state == ExecutorState::Registering
    }

    /// Whether it has registered and is not being ended.
    pub fn is_running(&self) -> bool {
        self.state == ExecutorState::Running
    }

    /// Whether its container is gone.
    pub fn is_terminated(&self) -> bool {
        self.state == ExecutorState::Terminated
    }

    /// Whether the containerizer has been told to start it.
    pub fn is_launch_requested(&self) -> bool {
        self.launch != LaunchProgress::NotRequested
    }

    /// The containerizer is being told to start it.
    pub fn request_launch(&mut self) {
        self.launch = LaunchProgress::Requested;
    }

    /// The pid of its process, once it has been started.
    pub fn pid(&self) -> Option<u32> {
        match self.launch {
            LaunchProgress::Launched(pid) => Some(pid),
            LaunchProgress::NotRequested | LaunchProgress::Requested => None,
        }
    }

    /// Its container has been started, if that was asked for.
    pub fn launched(&mut self, pid: u32) {
        if self.is_launch_requested() {
            self.launch = LaunchProgress::Launched(pid);
        }
    }

    /// Why the agent is ending it, if it is.
    pub fn pending_termination(&self) -> Option<&Termination> {
        self.pending_termination.as_ref()
    }

    /// The agent is ending it: why, for its tasks.
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

    /// How to reach it.
    pub fn connection(&self) -> &ExecutorConnection {
        &self.connection
    }

    /// Whether it can be reached.
    pub fn is_connected(&self) -> bool {
        self.connection != ExecutorConnection::None
    }

    /// Sends it driver messages from now on, to this process.
    pub fn connect_driver(&mut self, pid: Upid) {
        self.connection = ExecutorConnection::Libprocess(pid);
    }

    /// What it and its live tasks are allocated.
    pub fn allocated(&self) -> &Resources {
        &self.allocated
    }

    /// Its tasks that are queued, delivered, or terminal but unacknowledged.
    pub fn tasks(&self) -> &BTreeMap<TaskId, Arc<v1::Task>> {
        &self.tasks
    }

    /// Its tasks that have not ended.
    pub fn live_tasks(&self) -> impl Iterator<Item = (&TaskId, &Arc<v1::Task>)> {
        self.tasks.iter().filter(|(_, task)| !is_terminal(task_state(task.state)))
    }

    /// Whether it has this task, and the task has not ended.
    pub fn has_live_task(&self, task: &TaskId) -> bool {
        self.tasks.get(task).is_some_and(|task| !is_terminal(task_state(task.state)))
    }

    /// Whether the task waits for its records or for the executor.
    pub fn is_queued(&self, task: &TaskId) -> bool {
        self.queued.iter().any(|batch| batch.has(task))
    }

    /// The first task that waits.
    pub fn first_queued(&self) -> Option<&Arc<v1::TaskInfo>> {
        self.queued.front()?.tasks.first()
    }

    /// Notes that the records of a batch are durable.
    pub fn batch_stored(&mut self, number: u64) {
        if let Some(batch) = self.queued.iter_mut().find(|batch| batch.number == number) {
            batch.stored = true;
        }
    }

    /// Takes the batches whose records are durable out of the queue, oldest first, to be delivered.
    pub fn take_stored(&mut self) -> VecDeque<Batch> {
        let (stored, waiting): (VecDeque<Batch>, _) =
            std::mem::take(&mut self.queued).into_iter().partition(|batch| batch.stored);
        self.queued = waiting;
        self.ever_sent_task |= !stored.is_empty();
        stored
    }

    /// Takes the task out of the queue. The rest of its group stays: the caller ends it task by task.
    pub fn dequeue(&mut self, task: &TaskId) {
        let Some(at) = self.queued.iter().position(|batch| batch.has(task)) else { return };
        let Some(batch) = self.queued.get_mut(at) else { return };
        batch.tasks.retain(|queued| queued.task_id.value != task.as_str());
        if batch.tasks.is_empty() {
            self.queued.remove(at);
        }
    }

    /// Whether this task is queued as part of a group, and the tasks of its batch, itself included.
    pub fn queued_with(&self, task: &TaskId) -> Option<(bool, Vec<TaskId>)> {
        let batch = self.queued.iter().find(|batch| batch.has(task))?;
        Some((batch.group, batch.tasks.iter().map(|t| TaskId::from(&t.task_id)).collect()))
    }

    /// Whether it was never given anything and has nothing queued: it is of no use.
    pub fn has_no_work(&self) -> bool {
        !self.ever_sent_task && self.queued.is_empty()
    }

    /// How it is, for readers.
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
