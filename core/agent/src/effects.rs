//! The effects of an agent.

use std::path::PathBuf;
use std::sync::Arc;

use machine::EffectTypes;
use messages::v1;
use model::agent::{Change, Draining};
use model::{ContainerId, ExecutorId, FrameworkId, ReplyId, TaskId, Upid};
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
/// The context that the handlers of an agent are given.
pub(crate) type Context<'a> = machine::Context<'a, AgentEffects>;

/// A command that only an agent emits.
#[derive(Debug, Clone)]
pub enum Command {
    /// Starts, changes or ends a container.
    Container(ContainerCommand),
    /// Deletes a directory tree below the work directory.
    RemoveTree(PathBuf),
    /// Makes and deletes the directories of persistent volumes, in this order, then delivers `Input::Volumes` with the
    /// same number. There is one such command at a time: the next one is emitted after the answer. All changes may have
    /// been made before (by a process that died in between), so a directory that exists or is gone already is no
    /// failure.
    Volumes {
        /// The number of the command, which the answer repeats.
        number: u64,
        /// The changes, in order.
        changes: Vec<VolumeChange>,
    },
    /// Measures the use of the machine and of all running containers (for `Timer::DiskWatch`: of none), then delivers
    /// `Input::Usage` with the same timer.
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

/// A command for the containerizer.
#[derive(Debug, Clone)]
pub enum ContainerCommand {
    /// Starts an executor in a new container; `Launched` or `LaunchFailed` follows.
    Launch(Box<ContainerLaunch>),
    /// Starts a nested or standalone container; `Launched` or `NestedLaunchFailed` follows.
    LaunchNested(Box<NestedLaunch>),
    /// Sends a signal to the first process of a container; `Signalled` follows.
    Signal {
        /// The container.
        container: ContainerId,
        /// The number of the signal.
        signal: i32,
        /// The call that asks for it, which `Signalled` repeats.
        reply: ReplyId,
    },
    /// Removes the files of a nested container that has ended; `Removed` follows.
    Remove {
        /// The container.
        container: ContainerId,
        /// The sandbox of the container; absolute.
        sandbox: PathBuf,
        /// The sandbox of the top-level container that it is in.
        root_sandbox: PathBuf,
    },
    /// Changes the resources of a container, since tasks began or ended.
    Update {
        /// The container.
        container: ContainerId,
        /// The resources that the executor and its tasks are allocated from now on.
        resources: Vec<v1::Resource>,
        /// Upper bounds of `cpus` and `mem`; a resource without one is bounded by what is allocated.
        limits: Vec<v1::Resource>,
        /// All volumes that are visible inside from now on.
        volumes: Vec<ContainerVolume>,
    },
    /// Kills everything in the container and cleans up; `Exited` (or `LaunchFailed`) follows.
    Destroy {
        /// The container.
        container: ContainerId,
    },
}

/// An executor to start.
#[derive(Debug, Clone)]
pub struct ContainerLaunch {
    /// The id of the container; each launch has another one.
    pub container: ContainerId,
    /// The framework of the executor.
    pub framework: FrameworkId,
    /// The executor that runs in the container.
    pub executor: ExecutorId,
    /// The executor's description; `command` contains the URIs to fetch (`uris`) and the command to run. For a command
    /// task `command_task` is set, and `command` names Mesos' command executor with the task's own `uris`,
    /// `environment` and `user`: the shell runs Tepui's command executor instead.
    pub executor_info: Arc<v1::ExecutorInfo>,
    /// The task that the command executor runs; `None` for any other executor.
    pub command_task: Option<Arc<v1::TaskInfo>>,
    /// The sandbox; absolute.
    pub sandbox: PathBuf,
    /// The user to run as; `None` for the agent's own (`--no-switch_user`, or no user named).
    pub user: Option<String>,
    /// The complete environment of the executor (`MESOS_*`, `LIBPROCESS_*`, PATH and
    /// `--executor_environment_variables`, the command's own variables last).
    pub environment: Vec<(String, String)>,
    /// The resources that the executor and its tasks are allocated.
    pub resources: Vec<v1::Resource>,
    /// Upper bounds of `cpus` and `mem`; a resource without one is bounded by what is allocated.
    pub limits: Vec<v1::Resource>,
    /// The persistent volumes that the sandbox shows.
    pub volumes: Vec<ContainerVolume>,
}

/// A nested or standalone container to start.
#[derive(Debug, Clone)]
pub struct NestedLaunch {
    /// The id of the container.
    pub container: ContainerId,
    /// The command.
    pub command: v1::CommandInfo,
    /// The description of the container, as the caller sent it.
    pub info: Option<v1::ContainerInfo>,
    /// The sandbox; absolute.
    pub sandbox: PathBuf,
    /// The sandbox of the top-level container that it is in, and its own for a standalone container. Users of the
    /// container control the directories between the two.
    pub root_sandbox: PathBuf,
    /// The user to run as; `None` for the agent's own.
    pub user: Option<String>,
    /// The environment. A session also gets the variables of its parent that it does not set itself.
    pub environment: Vec<(String, String)>,
    /// The resources of a container with cgroups of its own.
    pub resources: Vec<v1::Resource>,
    /// Upper bounds of `cpus` and `mem`; a resource without one is bounded by `resources`.
    pub limits: Vec<v1::Resource>,
    /// Whether it is a session: a process in the namespaces of its parent, whose streams its caller has.
    pub session: bool,
}

/// One durable record of the agent. All records together describe a [`RecoveredState`](crate::RecoveredState); a new
/// kind needs its place there (`recovery/recovered_state.rs`) and in the bytes (`messages/proto/tepui/records.proto`).
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The agent's id and description, as its master knows them.
    AgentInfo(Arc<v1::AgentInfo>),
    /// The boot id of the kernel. A changed id means that the machine has been restarted and all containers have ended.
    BootId(String),
    /// A framework has something on the agent, or its description has changed.
    Framework {
        /// The framework's description, with its id.
        info: Arc<v1::FrameworkInfo>,
        /// The v0 driver's address; `None` for HTTP schedulers.
        pid: Option<Upid>,
    },
    /// The framework has nothing on the agent any more except updates that are not acknowledged.
    FrameworkRemoved(FrameworkId),
    /// The updates of this framework are removed, since nobody will acknowledge them.
    UpdatesForgotten(FrameworkId),
    /// An executor is about to be launched.
    Executor {
        /// The executor's framework.
        framework: FrameworkId,
        /// The container of the executor.
        container: ContainerId,
        /// The executor's description.
        info: Arc<v1::ExecutorInfo>,
        /// Whether the agent generated the executor for a task that is a single command.
        command_task: bool,
    },
    /// The last connection of an executor: driver messages to `pid`, or HTTP.
    ExecutorLink {
        /// The executor's framework.
        framework: FrameworkId,
        /// The executor.
        executor: ExecutorId,
        /// The container of the executor.
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
    /// The framework has acknowledged the end of the task. The record exists only where records are compacted:
    /// otherwise acknowledgements say it.
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
    /// The agent's resources as operations made them; replaces the record before it. Recovery passes the last one, with
    /// the operations that are not done, to [`crate::RecoveredResources`].
    Resources {
        /// The checkpointed resources whose volumes are on the disk.
        resources: Arc<[v1::Resource]>,
        /// The resources that they are about to become: volumes are being made or deleted, which a restarted agent
        /// repeats.
        target: Option<Arc<[v1::Resource]>>,
        /// The operation that does it, in the same write; it is kept until its `OperationDone`.
        operation: Option<Arc<v1::Operation>>,
    },
    /// The final status of an operation is acknowledged: it is removed.
    OperationDone {
        /// The UUID of the operation.
        operation: Uuid,
    },
    /// The drain in progress; `None` if the agent is drained, or is not to be drained any more.
    Drain(Option<Arc<Draining>>),
    /// The executor has ended and its updates are acknowledged as well, or nobody waits for them.
    ExecutorRemoved {
        /// The executor's framework.
        framework: FrameworkId,
        /// The executor.
        executor: ExecutorId,
        /// The container of the executor.
        container: ContainerId,
    },
    /// The agent has left the cluster: its next start is that of a new agent.
    Reset,
}

/// The timers of an agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The (re-)registration is to be sent again.
    Register,
    /// The master has sent no ping for too long.
    PingTimeout,
    /// An executor has not registered in time.
    ExecutorRegistration(ContainerId),
    /// An executor that was told to shut down has not exited in time.
    ExecutorShutdown(ContainerId),
    /// The HEARTBEAT events of all HTTP executors are due.
    ExecutorHeartbeat,
    /// The unacknowledged update of this task is to be sent again.
    UpdateRetry(FrameworkId, TaskId),
    /// The unacknowledged status of this operation is to be sent again.
    OperationRetry(Uuid),
    /// The estimate of oversubscribed resources is due.
    Oversubscription,
    /// The correction of tasks on revocable resources is due.
    QosCorrection,
    /// Sandboxes may be due for removal.
    Gc,
    /// The time of executors of an earlier process of this agent to reconnect has passed.
    ExecutorReregistration,
    /// v0 executors that have not reconnected are to be asked again.
    ExecutorReconnect,
    /// The measurement of the disk is due: the shell makes it and delivers `Input::DiskUsage` besides the timer itself.
    DiskWatch,
}
