//! Everything an agent can want done.

use std::path::PathBuf;
use std::sync::Arc;

use machine::EffectTypes;
use messages::v1;
use model::agent::{Change, Draining};
use model::{ContainerId, ExecutorId, FrameworkId, TaskId, Upid};
use uuid::Uuid;

use crate::operations::{ContainerVolume, VolumeChange};

/// The types of an agent's effects.
#[derive(Debug, Clone)]
pub struct AgentEffects;

impl EffectTypes for AgentEffects {
    type Timer = Timer;
    type StreamEvent = Arc<v1::executor::Event>;
    type Record = Record;
    type Change = Change;
    type Command = Command;
}

/// An effect of an agent.
pub type Effect = machine::Effect<AgentEffects>;
/// The effects of one step of an agent.
pub type Outbox = machine::Outbox<AgentEffects>;
/// What the handlers of an agent are given.
pub(crate) type Context<'a> = machine::Context<'a, AgentEffects>;

/// What only an agent asks for.
#[derive(Debug, Clone)]
pub enum Command {
    /// Starts, changes or ends a container.
    Container(ContainerCommand),
    /// Deletes a directory tree below the work directory.
    RemoveTree(PathBuf),
    /// Makes and deletes the directories of persistent volumes, in this order, then delivers `Input::Volumes` with the
    /// same number. One at a time: the next follows the answer. All of them may have been made before (by a process
    /// that died in between), so what is there already and what is gone already is no failure.
    Volumes {
        /// Repeated in the answer.
        number: u64,
        /// In this order.
        changes: Vec<VolumeChange>,
    },
    /// Measures what the machine and all running containers (for `Timer::DiskWatch`: none) use, then delivers
    /// `Input::Usage` with the same purpose.
    Measure(Timer),
    /// Ends the process with this message: the agent has unregistered or was told to shut down. An empty message is a
    /// success: the agent has done what it was started for.
    Terminate(String),
}

impl From<ContainerCommand> for Command {
    fn from(command: ContainerCommand) -> Self {
        Command::Container(command)
    }
}

/// What the containerizer is asked for.
#[derive(Debug, Clone)]
pub enum ContainerCommand {
    /// Starts an executor in a new container; `Launched` or `LaunchFailed` follows.
    Launch(Box<ContainerLaunch>),
    /// The resources of the container changed (tasks came or went).
    Update {
        /// The container.
        container: ContainerId,
        /// What the executor and its tasks are allocated from now on.
        resources: Vec<v1::Resource>,
        /// Upper bounds of `cpus` and `mem`; a resource without one is bounded by what is allocated.
        limits: Vec<v1::Resource>,
        /// All that are to be visible inside from now on.
        volumes: Vec<ContainerVolume>,
    },
    /// Kill everything in the container and clean up; `Exited` (or `LaunchFailed`) follows.
    Destroy {
        /// The container.
        container: ContainerId,
    },
}

/// One executor to start: what to run, where, as whom, with how much.
#[derive(Debug, Clone)]
pub struct ContainerLaunch {
    /// Unique; names the container from now on.
    pub container: ContainerId,
    /// The framework of the executor.
    pub framework: FrameworkId,
    /// The executor that runs in the container.
    pub executor: ExecutorId,
    /// `command` is what to fetch (`uris`) and run. For a command task `command_task` is set, and `command`
    /// names Mesos' command executor with the task's own `uris`, `environment` and `user`: the shell runs our
    /// command executor instead.
    pub executor_info: Arc<v1::ExecutorInfo>,
    /// Set when the command executor is to run this task.
    pub command_task: Option<Arc<v1::TaskInfo>>,
    /// Absolute.
    pub sandbox: PathBuf,
    /// `None`: the agent's own user (`--no-switch_user` or none named).
    pub user: Option<String>,
    /// The complete executor environment (`MESOS_*`, `LIBPROCESS_*`, PATH and
    /// `--executor_environment_variables`, the command's own variables last).
    pub environment: Vec<(String, String)>,
    /// What the executor and its tasks are allocated.
    pub resources: Vec<v1::Resource>,
    /// Upper bounds of `cpus` and `mem`; what is allocated where there is none.
    pub limits: Vec<v1::Resource>,
    /// The persistent volumes to show in the sandbox.
    pub volumes: Vec<ContainerVolume>,
}

/// One durable record of the agent. What all of them say together is a [`RecoveredState`](crate::RecoveredState); a new kind needs
/// its place there (`recovery/recovered_state.rs`) and in the bytes (`messages/proto/tepui/records.proto`).
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The agent's id and description, as its master knows them.
    AgentInfo(Arc<v1::AgentInfo>),
    /// Another one than before means that the machine has been restarted, and everything on it has ended.
    BootId(String),
    /// A framework has something on the agent, or its description has changed.
    Framework {
        /// The framework's description, with its id.
        info: Arc<v1::FrameworkInfo>,
        /// The v0 driver's address; `None` for HTTP schedulers.
        pid: Option<Upid>,
    },
    /// Nothing of it is left here but what is still to be acknowledged.
    FrameworkRemoved(FrameworkId),
    /// Nobody will acknowledge the updates of this framework.
    UpdatesForgotten(FrameworkId),
    /// An executor is about to be launched.
    Executor {
        /// The executor's framework.
        framework: FrameworkId,
        /// Its container.
        container: ContainerId,
        /// The executor's description.
        info: Arc<v1::ExecutorInfo>,
        /// Made up by the agent for a task that is a single command.
        command_task: bool,
    },
    /// How the executor was reached last: by driver messages to `pid`, or over HTTP.
    ExecutorLink {
        /// The executor's framework.
        framework: FrameworkId,
        /// The executor.
        executor: ExecutorId,
        /// Its container.
        container: ContainerId,
        /// The process of a v0 executor; `None` for one that is connected over HTTP.
        pid: Option<Upid>,
    },
    /// A task was handed to an executor of the agent.
    Task {
        /// The task's framework.
        framework: FrameworkId,
        /// The container of the executor that runs it.
        container: ContainerId,
        /// The task, in the state that it had then.
        task: Arc<v1::Task>,
    },
    /// Its framework knows that it is over. Only where records are put together: otherwise, acknowledgements say it.
    CompletedTask {
        /// The task's framework.
        framework: FrameworkId,
        /// The container of the executor that ran it.
        container: ContainerId,
        /// The task in its terminal state.
        task: Arc<v1::Task>,
    },
    /// A status update was accepted; it is forwarded until it is acknowledged.
    Update {
        /// The task's framework.
        framework: FrameworkId,
        /// The task.
        task: TaskId,
        /// The update's status, with its UUID.
        status: Arc<v1::TaskStatus>,
    },
    /// A status update was acknowledged by the framework.
    Acknowledged {
        /// The task's framework.
        framework: FrameworkId,
        /// The task.
        task: TaskId,
        /// The UUID of the update's status: 16 bytes.
        uuid: Vec<u8>,
    },
    /// An executor's container has ended, and everything in it.
    ContainerDone {
        /// The executor's framework.
        framework: FrameworkId,
        /// The executor.
        executor: ExecutorId,
        /// The container.
        container: ContainerId,
    },
    /// What operations made of the agent's resources; replaces the record before it. Recovery hands the last one, with
    /// the operations that are not done, to [`crate::RecoveredResources`].
    Resources {
        /// The checkpointed resources whose volumes are on the disk.
        resources: Arc<[v1::Resource]>,
        /// What they are about to become: volumes are being made or deleted, which a restarted agent does again.
        target: Option<Arc<[v1::Resource]>>,
        /// The operation that does it, in the same write: kept until its `OperationDone`.
        operation: Option<Arc<v1::Operation>>,
    },
    /// The final status of an operation is acknowledged: nothing of it needs to be remembered.
    OperationDone {
        /// The UUID of the operation.
        operation: Uuid,
    },
    /// `None`: drained, or never to be.
    Drain(Option<Arc<Draining>>),
    /// Its updates are acknowledged as well, or nobody waits for them.
    ExecutorRemoved {
        /// The executor's framework.
        framework: FrameworkId,
        /// The executor.
        executor: ExecutorId,
        /// Its container.
        container: ContainerId,
    },
    /// The agent has left the cluster: its next start is that of a new one.
    Reset,
}

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Send (re-)registration again.
    Register,
    /// No ping from the master for too long.
    PingTimeout,
    /// An executor has not registered in time.
    ExecutorRegistration(ContainerId),
    /// An executor told to shut down has not exited in time.
    ExecutorShutdown(ContainerId),
    /// The HEARTBEAT events of all HTTP executors.
    ExecutorHeartbeat,
    /// Send the unacknowledged update of this task again.
    UpdateRetry(FrameworkId, TaskId),
    /// Send the unacknowledged status of this operation again.
    OperationRetry(Uuid),
    /// The estimate of what can be oversubscribed is due.
    Oversubscription,
    /// Whether tasks on revocable resources must make room is to be decided.
    QosCorrection,
    /// Sandboxes may be due for removal.
    Gc,
    /// Executors of an earlier process of this agent have had their time to come back.
    ExecutorReregistration,
    /// Ask v0 executors again that have not come back.
    ExecutorReconnect,
    /// When it is due the shell measures the disk and delivers `Input::DiskUsage` besides the timer itself.
    DiskWatch,
}
