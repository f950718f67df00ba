//! The inputs of an agent. They are decoded and have passed the syntactic checks of `wire` and `validation`.

use std::net::SocketAddrV4;

use machine::{PeerMessage, StoreToken};
use messages::v1;
use model::{Caller, ContainerId, ReplyId, StreamId};

use crate::effects::Timer;
use crate::usage::MachineUsage;

/// An input of an agent.
#[derive(Debug)]
pub enum Input {
    /// The leading master was detected; `None` if there is none now.
    MasterDetected(Option<Box<v1::MasterInfo>>),
    /// A libprocess message to the agent's process: from the master or from a v0 executor.
    Message(PeerMessage),
    /// The link to every process at this address broke.
    Exited(SocketAddrV4),
    /// A SUBSCRIBE of an executor over HTTP. The core answers `reply` with a refusal, or with `CallResponse::ok()`,
    /// upon which the edge opens the stream `stream`; its events follow in the same step.
    ExecutorSubscribe(ExecutorSubscribe),
    /// An UPDATE or MESSAGE of an executor over HTTP; the response goes to `reply`.
    ExecutorCall(ExecutorCall),
    /// The connection behind an executor's event stream has ended.
    StreamClosed(StreamId),
    /// A call about a container; the response goes to its reply.
    ContainerCall(ContainerCall),
    /// The client of a call that waits for a container has disconnected.
    WaitAbandoned {
        /// The container that the call waits for.
        container: ContainerId,
        /// The reply of the call.
        reply: ReplyId,
    },
    /// The connection of the caller of a LAUNCH_NESTED_CONTAINER_SESSION has ended.
    SessionEnded(ContainerId),
    /// The containerizer reports a change of a container.
    Container(ContainerEvent),
    /// A timer that the agent has set is due.
    Timer(Timer),
    /// A `Store` effect is durable.
    Stored(StoreToken),
    /// Records can no longer be made durable; the text is the reason.
    StoreFailed(String),
    /// The fraction of the work directory's file system that is in use, 0..1.
    DiskUsage(f64),
    /// The changes of a `Command::Volumes` are made, or have failed.
    Volumes {
        /// The number of the `Command::Volumes`.
        number: u64,
        /// The reason of the failure; `None` if all changes were made.
        failed: Option<String>,
    },
    /// The measurement of the machine and the containers for this timer.
    Usage {
        /// The timer that the measurement was made for.
        due: Timer,
        /// The measured usage.
        usage: MachineUsage,
    },
    /// The operator asks the agent to unregister and stop (SIGUSR1).
    Unregister,
}

/// A SUBSCRIBE of an executor over HTTP.
#[derive(Debug)]
pub struct ExecutorSubscribe {
    /// The request to respond to.
    pub reply: ReplyId,
    /// The sender of the call.
    pub caller: Caller,
    /// The stream that the edge opens if the executor is accepted.
    pub stream: StreamId,
    /// The call as it was received.
    pub call: Box<v1::executor::Call>,
}

/// Any other call of an executor over HTTP.
#[derive(Debug)]
pub struct ExecutorCall {
    /// The request to respond to.
    pub reply: ReplyId,
    /// The sender of the call.
    pub caller: Caller,
    /// The call as it was received.
    pub call: Box<v1::executor::Call>,
}

/// A call about a container of the agent.
#[derive(Debug)]
pub struct ContainerCall {
    /// The request to respond to.
    pub reply: ReplyId,
    /// The sender of the call.
    pub caller: Caller,
    /// The requested action.
    pub request: ContainerRequest,
}

/// The action that a call about a container requests. Mesos' calls for nested containers and those for all containers are the same.
#[derive(Debug)]
pub enum ContainerRequest {
    /// A container is to be launched.
    Launch(Box<NestedContainerRequest>),
    /// The caller waits for the end of a container.
    Wait(ContainerId),
    /// A signal is to be sent to the first process of a container.
    Kill {
        /// The container.
        container: ContainerId,
        /// The number of the signal.
        signal: i32,
    },
    /// The files of a container that has ended are to be removed.
    Remove(ContainerId),
}

/// A nested or standalone container to launch.
#[derive(Debug)]
pub struct NestedContainerRequest {
    /// The id, chosen by the caller. A container without a parent is standalone.
    pub container: ContainerId,
    /// The command.
    pub command: Option<v1::CommandInfo>,
    /// The description of the container.
    pub info: Option<v1::ContainerInfo>,
    /// The resources, for a container with cgroups of its own.
    pub resources: Vec<v1::Resource>,
    /// Upper bounds of `cpus` and `mem`; a resource without one is bounded by `resources`.
    pub limits: Vec<v1::Resource>,
    /// Whether it ends with the caller's connection (LAUNCH_NESTED_CONTAINER_SESSION).
    pub session: bool,
}

/// The step of a launch that failed, which determines the status of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaunchFailure {
    /// The sandbox could not be created.
    Sandbox,
    /// Any other step.
    Other,
}

/// A report of the containerizer.
#[derive(Debug)]
pub enum ContainerEvent {
    /// The executor process runs.
    Launched {
        /// The container.
        container: ContainerId,
        /// The process id of the executor, in the pid namespace of the agent.
        pid: u32,
        /// The networks that it has joined, with its addresses; empty for the network of the agent.
        networks: Vec<v1::NetworkInfo>,
    },
    /// Fetching or starting failed, and no process runs. Everything is already cleaned up.
    LaunchFailed {
        /// The container.
        container: ContainerId,
        /// The reason, for operators and frameworks.
        reason: String,
    },
    /// A nested or standalone container could not be started. Everything is already cleaned up.
    NestedLaunchFailed {
        /// The container.
        container: ContainerId,
        /// The reason, for the caller.
        reason: String,
        /// The step that failed.
        failure: LaunchFailure,
    },
    /// The launch is under way and takes time, for instance because an image is being pulled.
    Progress {
        /// The container.
        container: ContainerId,
        /// How far it is, for people.
        message: String,
    },
    /// A signal was sent to a container.
    Signalled {
        /// The call that asked for it.
        reply: ReplyId,
        /// The reason of the failure; `None` if the signal was sent.
        failed: Option<String>,
    },
    /// The files of a nested container were removed.
    Removed {
        /// The container.
        container: ContainerId,
        /// The reason of the failure; `None` if nothing is left.
        failed: Option<String>,
    },
    /// The container runs, and an `Update` of its resources or volumes failed.
    UpdateFailed {
        /// The container.
        container: ContainerId,
        /// The reason, for operators and frameworks.
        reason: String,
    },
    /// The container has ended and leaves no process, mount or cgroup behind.
    Exited {
        /// The container.
        container: ContainerId,
        /// The way in which it ended.
        exit: ContainerExit,
    },
}

/// The end of a container.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContainerExit {
    /// The wait status of the executor process, as `waitpid` returns it; `None` if it is unknown.
    pub status: Option<i32>,
    /// The limit that the container broke, if the containerizer ended it for that.
    pub limitation: Option<Limitation>,
    /// The last updates of the executor, in order, which it could not send and wrote to its sandbox.
    pub last_updates: Vec<v1::TaskStatus>,
}

/// The reason why the containerizer ended a container (Mesos: `ContainerLimitation`).
#[derive(Debug, Clone, PartialEq)]
pub struct Limitation {
    /// The reason for the status of the tasks.
    pub reason: v1::task_status::Reason,
    /// The message for people.
    pub message: String,
    /// The resources that were exceeded, for `TaskStatus.limitation`.
    pub resources: Vec<v1::Resource>,
}
