//! The change stream of an agent: what its readers are told. Entities are immutable
//! snapshots that a view shares by `Arc`; a later change replaces the whole entity.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{ContainerId, ExecutorId, FrameworkId, TaskId, Timestamp, Upid};
use messages::v1;
use resources::Resources;

#[derive(Debug, Clone)]
pub enum Change {
    /// The agent's own description: at start, on registration, when resources change.
    Agent {
        info: Arc<v1::AgentInfo>,
        total: Resources,
        master: Option<Box<v1::MasterInfo>>,
        registered: bool,
        draining: Option<Arc<Draining>>,
    },
    /// All operations on the agent's own resources whose final status is not acknowledged.
    Operations(Arc<[Arc<v1::Operation>]>),
    FrameworkAdded(Arc<FrameworkSnapshot>),
    FrameworkRemoved(FrameworkId),
    ExecutorAdded(Arc<ExecutorSnapshot>),
    ExecutorUpdated(Arc<ExecutorSnapshot>),
    /// Into the bounded history of completed executors.
    ExecutorRemoved {
        framework: FrameworkId,
        executor: ExecutorId,
        container: ContainerId,
    },
    TaskAdded {
        container: ContainerId,
        task: Arc<v1::Task>,
    },
    TaskUpdated {
        container: ContainerId,
        task: Arc<v1::Task>,
    },
    /// Terminal and acknowledged.
    TaskCompleted {
        container: ContainerId,
        framework: FrameworkId,
        task: TaskId,
    },
    /// An earlier process of this agent had executors of a framework, which have ended as it has.
    CompletedFrameworkRecovered {
        framework: Arc<FrameworkSnapshot>,
        executors: Vec<RecoveredCompletedExecutor>,
    },
    /// The same of a framework that goes on.
    CompletedExecutorsRecovered {
        framework: FrameworkId,
        executors: Vec<RecoveredCompletedExecutor>,
    },
    /// Tasks of an executor that goes on, whose end its framework knows since then.
    CompletedTasksRecovered {
        container: ContainerId,
        tasks: Vec<Arc<v1::Task>>,
    },
    /// A sandbox was garbage collected: its virtual paths no longer resolve.
    SandboxRemoved(PathBuf),
}

/// The agent is being drained: its tasks are killed, and no new ones are taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Draining {
    pub config: v1::DrainConfig,
    /// When the agent was told.
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FrameworkSnapshot {
    pub id: FrameworkId,
    pub info: Arc<v1::FrameworkInfo>,
    /// The v0 driver's address; `None` for HTTP schedulers.
    pub pid: Option<Upid>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorSnapshot {
    pub framework: FrameworkId,
    pub id: ExecutorId,
    pub container: ContainerId,
    pub info: Arc<v1::ExecutorInfo>,
    /// Absolute.
    pub sandbox: PathBuf,
    pub state: ExecutorState,
    /// Of the executor and its live tasks.
    pub resources: Resources,
    /// The executor's process, once launched.
    pub pid: Option<u32>,
}

/// An executor that ended before this process began.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveredCompletedExecutor {
    pub snapshot: Arc<ExecutorSnapshot>,
    /// The oldest first.
    pub tasks: Vec<Arc<v1::Task>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutorState {
    Registering,
    Running,
    Terminating,
    Terminated,
}
