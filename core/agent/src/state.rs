//! What an agent remembers of frameworks, executors and tasks. Plain data and the questions asked of it; the
//! decisions are in the modules around.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use messages::v1;
use messages::v1::TaskState;
use model::{ContainerId, ExecutorId, FrameworkId, StreamId, TaskId, Upid};
use resources::Resources;

use crate::metrics::Metrics;
use model::agent::{ExecutorSnapshot, ExecutorState, FrameworkSnapshot};

#[derive(Debug)]
pub(crate) struct Framework {
    pub snapshot: Arc<FrameworkSnapshot>,
    /// The master asked to shut it down: nothing new starts, and no more updates are accepted from it.
    pub terminating: bool,
    pub executors: BTreeMap<ExecutorId, Executor>,
    /// Where each task lives that is not yet completed.
    pub tasks: BTreeMap<TaskId, ExecutorId>,
}

impl Framework {
    pub fn new(snapshot: Arc<FrameworkSnapshot>) -> Self {
        Framework { snapshot, terminating: false, executors: BTreeMap::new(), tasks: BTreeMap::new() }
    }

    pub fn is_idle(&self) -> bool {
        self.executors.is_empty()
    }

    pub fn checkpoints(&self) -> bool {
        self.snapshot.info.checkpoint.unwrap_or(false)
    }

    /// How a task is reported that never ran here.
    pub fn dropped_state(&self) -> TaskState {
        dropped_state(&self.snapshot.info)
    }

    pub fn executor_of(&mut self, task: &TaskId) -> Option<&mut Executor> {
        let id = self.tasks.get(task)?;
        self.executors.get_mut(id)
    }
}

/// Frameworks without the PARTITION_AWARE capability know only TASK_LOST.
pub(crate) fn dropped_state(framework: &v1::FrameworkInfo) -> TaskState {
    if is_partition_aware(framework) { TaskState::TaskDropped } else { TaskState::TaskLost }
}

pub(crate) fn is_partition_aware(framework: &v1::FrameworkInfo) -> bool {
    let wanted = v1::framework_info::capability::Type::PartitionAware as i32;
    framework.capabilities.iter().any(|c| c.r#type == Some(wanted))
}

/// How to reach an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExecutorConnection {
    /// Not registered yet, or its stream has ended and it has not come back.
    None,
    Http(StreamId),
    Libprocess(Upid),
}

/// Tasks that arrived together and are delivered or killed together: one task, or a task group.
#[derive(Debug)]
pub(crate) struct Batch {
    pub number: u64,
    pub tasks: Vec<Arc<v1::TaskInfo>>,
    pub group: bool,
    /// Its records are durable, so it may be delivered.
    pub stored: bool,
}

impl Batch {
    pub fn has(&self, task: &TaskId) -> bool {
        self.tasks.iter().any(|t| t.task_id.value == task.as_str())
    }
}

/// Why the agent ended an executor, for the tasks that are still there when it is over.
#[derive(Debug, Clone)]
pub(crate) struct Termination {
    pub state: TaskState,
    pub reason: v1::task_status::Reason,
    pub message: String,
}

#[derive(Debug)]
pub(crate) struct Executor {
    pub framework: FrameworkId,
    pub id: ExecutorId,
    pub container: ContainerId,
    pub info: Arc<v1::ExecutorInfo>,
    pub sandbox: PathBuf,
    pub user: Option<String>,
    /// Made up by the agent for a task that is a single command.
    pub command_task: bool,
    pub state: ExecutorState,
    pub connection: ExecutorConnection,
    pub pid: Option<u32>,
    /// The containerizer was told to start it.
    pub launched_container: bool,
    /// Accepted but not yet delivered, oldest first.
    pub queued: VecDeque<Batch>,
    /// Queued, delivered, or terminal but unacknowledged.
    pub tasks: BTreeMap<TaskId, Arc<v1::Task>>,
    /// Kills that came while the executor had no stream. Mesos loses them.
    pub kills: BTreeMap<TaskId, Option<Box<v1::KillPolicy>>>,
    /// An executor that was never given anything and has nothing queued is of no use.
    pub ever_sent_task: bool,
    pub pending_termination: Option<Termination>,
    /// Of the executor itself and its live tasks.
    pub allocated: Resources,
}

impl Executor {
    pub fn enter(&mut self, state: ExecutorState, metrics: &Metrics) {
        if self.state != state {
            metrics.executor_left(self.state);
            metrics.executor_entered(state);
            self.state = state;
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.state, ExecutorState::Registering | ExecutorState::Running)
    }

    pub fn is_queued(&self, task: &TaskId) -> bool {
        self.queued.iter().any(|batch| batch.has(task))
    }

    /// Takes the task out of the queue. The rest of its group stays: the caller ends it task by task.
    pub fn dequeue(&mut self, task: &TaskId) -> Option<Arc<v1::TaskInfo>> {
        let at = self.queued.iter().position(|batch| batch.has(task))?;
        let batch = self.queued.get_mut(at)?;
        let within = batch.tasks.iter().position(|t| t.task_id.value == task.as_str())?;
        let info = batch.tasks.remove(within);
        if batch.tasks.is_empty() {
            self.queued.remove(at);
        }
        Some(info)
    }

    /// The tasks that go together with this queued one, itself included.
    pub fn queued_with(&self, task: &TaskId) -> Option<(bool, Vec<TaskId>)> {
        let batch = self.queued.iter().find(|batch| batch.has(task))?;
        Some((batch.group, batch.tasks.iter().map(|t| TaskId::from(&t.task_id)).collect()))
    }

    pub fn has_no_work(&self) -> bool {
        !self.ever_sent_task && self.queued.is_empty()
    }

    pub fn snapshot(&self) -> Arc<ExecutorSnapshot> {
        Arc::new(ExecutorSnapshot {
            framework: self.framework.clone(),
            id: self.id.clone(),
            container: self.container.clone(),
            info: self.info.clone(),
            sandbox: self.sandbox.clone(),
            state: self.state,
            resources: self.allocated.clone(),
            pid: self.pid,
        })
    }
}

/// `wire` has refused unknown enum values, so an unknown one means a forged input: treat it as the state that
/// promises nothing.
pub(crate) fn task_state(value: i32) -> TaskState {
    TaskState::try_from(value).unwrap_or(TaskState::TaskUnknown)
}

/// The task as it is shown and reported, before anything happened to it.
pub(crate) fn new_task(info: &v1::TaskInfo, framework: &FrameworkId) -> v1::Task {
    let executor = info.executor.as_deref();
    let user = info.command.as_ref().and_then(|c| c.user.clone());
    v1::Task {
        name: info.name.clone(),
        task_id: info.task_id.clone(),
        framework_id: framework.to_proto(),
        executor_id: executor.map(|e| e.executor_id.clone()),
        agent_id: info.agent_id.clone(),
        state: TaskState::TaskStaging as i32,
        resources: info.resources.clone(),
        labels: info.labels.clone(),
        discovery: info.discovery.clone(),
        container: info.container.clone(),
        user: user.or_else(|| executor.and_then(|e| e.command.as_ref()).and_then(|c| c.user.clone())),
        health_check: info.health_check.clone(),
        kill_policy: info.kill_policy.clone(),
        limits: info.limits.clone(),
        ..Default::default()
    }
}
