//! The change stream of an agent, which its readers follow. Entities are immutable snapshots that a view shares by
//! `Arc`; a later change replaces the whole entity.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{ContainerId, ExecutorId, FrameworkId, TaskId, Timestamp, Upid};
use messages::v1;
use resources::Resources;

/// One change of the state that readers see.
#[derive(Debug, Clone)]
pub enum Change {
    /// The agent or its registration changed; published at the start, on registration, and when its resources change.
    Agent {
        /// The agent's description.
        info: Arc<v1::AgentInfo>,
        /// The agent's resources, with the operations that were applied to them.
        total: Resources,
        /// The leading master; `None` while there is none.
        master: Option<Box<v1::MasterInfo>>,
        /// Whether the agent is registered with that master.
        registered: bool,
        /// The drain that is in progress; `None` if there is none.
        draining: Option<Arc<Draining>>,
    },
    /// All operations on the agent's own resources whose final status is not acknowledged.
    Operations(Arc<[Arc<v1::Operation>]>),
    /// A framework has something on the agent.
    FrameworkAdded(Arc<FrameworkSnapshot>),
    /// The agent has nothing of the framework any more.
    FrameworkRemoved(FrameworkId),
    /// An executor is being started, or was recovered.
    ExecutorAdded(Arc<ExecutorSnapshot>),
    /// The executor's state, resources or process changed.
    ExecutorUpdated(Arc<ExecutorSnapshot>),
    /// The executor ended; it moves to the bounded history of completed executors.
    ExecutorRemoved {
        /// The executor's framework.
        framework: FrameworkId,
        /// The executor.
        executor: ExecutorId,
        /// The container of the executor.
        container: ContainerId,
    },
    /// An executor has a new task.
    TaskAdded {
        /// The container of the task's executor.
        container: ContainerId,
        /// The task.
        task: Arc<v1::Task>,
    },
    /// The state of a task changed.
    TaskUpdated {
        /// The container of the task's executor.
        container: ContainerId,
        /// The whole task as it is now.
        task: Arc<v1::Task>,
    },
    /// The task is terminal and its last update is acknowledged.
    TaskCompleted {
        /// The container of the task's executor.
        container: ContainerId,
        /// The task's framework.
        framework: FrameworkId,
        /// The task.
        task: TaskId,
    },
    /// An earlier process of this agent had executors of this framework. They have ended, and the framework has nothing
    /// else on the agent.
    CompletedFrameworkRecovered {
        /// The framework.
        framework: Arc<FrameworkSnapshot>,
        /// The executors, the one that ended first being the first.
        executors: Vec<RecoveredCompletedExecutor>,
    },
    /// An earlier process of this agent had executors of this framework. They have ended, and the framework has others
    /// on the agent.
    CompletedExecutorsRecovered {
        /// The framework.
        framework: FrameworkId,
        /// The executors, the one that ended first being the first.
        executors: Vec<RecoveredCompletedExecutor>,
    },
    /// An earlier process of this agent completed tasks of an executor that still runs.
    CompletedTasksRecovered {
        /// The container of the executor.
        container: ContainerId,
        /// The tasks, the oldest first.
        tasks: Vec<Arc<v1::Task>>,
    },
    /// A sandbox was garbage collected: its virtual paths no longer resolve.
    SandboxRemoved(PathBuf),
}

/// The agent is being drained: its tasks are killed, and no new ones are taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Draining {
    /// The configuration of the drain.
    pub config: v1::DrainConfig,
    /// The time at which the agent was told to drain.
    pub since: Timestamp,
}

/// A framework with something on the agent.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameworkSnapshot {
    /// The framework's id.
    pub id: FrameworkId,
    /// The framework's description, as the master sent it last.
    pub info: Arc<v1::FrameworkInfo>,
    /// The v0 driver's address; `None` for HTTP schedulers.
    pub pid: Option<Upid>,
}

/// An executor.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorSnapshot {
    /// The framework of the executor.
    pub framework: FrameworkId,
    /// The executor's id, unique among the running executors of its framework.
    pub id: ExecutorId,
    /// The container that it runs in; each launch has another one.
    pub container: ContainerId,
    /// The executor's description, as its framework sent it.
    pub info: Arc<v1::ExecutorInfo>,
    /// The executor's sandbox; absolute.
    pub sandbox: PathBuf,
    /// The state of the executor.
    pub state: ExecutorState,
    /// The resources of the executor and its live tasks.
    pub resources: Resources,
    /// The process id of the executor; `None` before it is launched.
    pub pid: Option<u32>,
}

/// An executor that ended before this process began.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveredCompletedExecutor {
    /// The executor as it was.
    pub snapshot: Arc<ExecutorSnapshot>,
    /// The tasks of the executor, the oldest first.
    pub tasks: Vec<Arc<v1::Task>>,
}

/// The state of an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutorState {
    /// The executor was launched and has not registered yet.
    Registering,
    /// The executor has registered.
    Running,
    /// The executor is shutting down or being destroyed.
    Terminating,
    /// The container has ended; updates may still wait for their acknowledgement.
    Terminated,
}
