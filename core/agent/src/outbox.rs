//! Everything an agent can want done. The shell carries effects out in order.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;

use messages::{Message, v1};
use model::{CallResponse, ContainerId, ExecutorId, FrameworkId, Monotonic, ReplyId, StreamId, TaskId, Upid};
use uuid::Uuid;

use crate::change::{Change, Draining};
use crate::operations::{ContainerVolume, VolumeChange};

#[derive(Debug, Clone)]
pub enum Effect {
    /// CallResponse a request. Each `ReplyId` is answered exactly once.
    Reply {
        reply: ReplyId,
        answer: CallResponse,
    },
    /// Put an event on an executor's stream.
    Event {
        stream: StreamId,
        event: Arc<v1::executor::Event>,
    },
    /// End an executor's stream after the events before it.
    CloseStream(StreamId),
    /// Send a libprocess message from the agent's process.
    Send {
        to: Upid,
        message: Message,
    },
    Link(SocketAddrV4),
    Unlink(SocketAddrV4),
    Arm {
        timer: Timer,
        at: Monotonic,
    },
    Disarm(Timer),
    Container(ContainerCommand),
    /// Make durable, then deliver `Input::Stored(token)`. Records become durable in the order of these effects: what is
    /// confirmed has all earlier ones before it on the disk.
    Store {
        token: StoreToken,
        record: Record,
    },
    /// Delete a directory tree below the work directory.
    RemoveTree(PathBuf),
    /// Make and delete the directories of persistent volumes, in this order, then deliver `Input::Volumes` with the same
    /// number. One at a time: the next follows the answer. All of them may have been made before (by a process that died
    /// in between), so what is there already and what is gone already is no failure.
    Volumes {
        number: u64,
        changes: Vec<VolumeChange>,
    },
    /// Measure what the machine and all running containers (for `Timer::DiskWatch`: none) use, then deliver `Input::Usage`
    /// with the same purpose.
    Measure(Timer),
    Publish(Change),
    /// The agent is done (unregistered or told to shut down): end the process with this message. An empty one is a
    /// success: it has done what it was started for.
    Terminate(String),
}

#[derive(Debug, Clone)]
pub enum ContainerCommand {
    Launch(Box<ContainerLaunch>),
    /// The resources of the container changed (tasks came or went).
    Update {
        container: ContainerId,
        resources: Vec<v1::Resource>,
        limits: Vec<v1::Resource>,
        /// All that are to be visible inside from now on.
        volumes: Vec<ContainerVolume>,
    },
    /// Kill everything in the container and clean up; `Exited` (or `LaunchFailed`) follows.
    Destroy {
        container: ContainerId,
    },
}

/// One executor to start: what to run, where, as whom, with how much.
#[derive(Debug, Clone)]
pub struct ContainerLaunch {
    pub container: ContainerId,
    pub framework: FrameworkId,
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
    pub resources: Vec<v1::Resource>,
    pub limits: Vec<v1::Resource>,
    pub volumes: Vec<ContainerVolume>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreToken(pub u64);

/// One durable record of the agent. What all of them say together is a [`RecoveredState`](crate::RecoveredState); a new kind needs
/// its place there (`recovery/recovered_state.rs`) and in the bytes (`messages/proto/tepui/records.proto`).
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    AgentInfo(Arc<v1::AgentInfo>),
    /// Another one than before means that the machine has been restarted, and everything on it has ended.
    BootId(String),
    Framework {
        info: Arc<v1::FrameworkInfo>,
        pid: Option<Upid>,
    },
    /// Nothing of it is left here but what is still to be acknowledged.
    FrameworkRemoved(FrameworkId),
    /// Nobody will acknowledge the updates of this framework.
    UpdatesForgotten(FrameworkId),
    Executor {
        framework: FrameworkId,
        container: ContainerId,
        info: Arc<v1::ExecutorInfo>,
        /// Made up by the agent for a task that is a single command.
        command_task: bool,
    },
    /// How the executor was reached last: by driver messages to `pid`, or over HTTP.
    ExecutorLink {
        framework: FrameworkId,
        executor: ExecutorId,
        container: ContainerId,
        pid: Option<Upid>,
    },
    Task {
        framework: FrameworkId,
        container: ContainerId,
        task: Arc<v1::Task>,
    },
    /// Its framework knows that it is over. Only where records are put together: otherwise, acknowledgements say it.
    CompletedTask {
        framework: FrameworkId,
        container: ContainerId,
        task: Arc<v1::Task>,
    },
    Update {
        framework: FrameworkId,
        task: TaskId,
        status: Arc<v1::TaskStatus>,
    },
    Acknowledged {
        framework: FrameworkId,
        task: TaskId,
        uuid: Vec<u8>,
    },
    ContainerDone {
        framework: FrameworkId,
        executor: ExecutorId,
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
        operation: Uuid,
    },
    /// `None`: drained, or never to be.
    Drain(Option<Arc<Draining>>),
    /// Its updates are acknowledged as well, or nobody waits for them.
    ExecutorRemoved {
        framework: FrameworkId,
        executor: ExecutorId,
        container: ContainerId,
    },
    /// The agent has left the cluster: its next start is that of a new one.
    Reset,
}

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

/// The effects of a step.
pub type Outbox = model::Outbox<Effect>;

impl From<Change> for Effect {
    fn from(change: Change) -> Self {
        Effect::Publish(change)
    }
}
