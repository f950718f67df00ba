//! Everything that can happen to an agent. Inputs are already decoded and have passed
//! the syntactic checks of `wire` and `validation`.

use std::net::SocketAddrV4;

use machine::{PeerMessage, StoreToken};
use messages::v1;
use model::{Caller, ContainerId, ReplyId, StreamId};

use crate::effects::Timer;
use crate::usage::MachineUsage;

/// What can happen to an agent.
#[derive(Debug)]
pub enum Input {
    /// The leading master, or that there is none now.
    MasterDetected(Option<Box<v1::MasterInfo>>),
    /// A libprocess message to the agent's process: from the master or from a v0 executor.
    Message(PeerMessage),
    /// The link to every process at this address broke.
    Exited(SocketAddrV4),
    /// SUBSCRIBE of an executor over HTTP. The core answers `reply` with a refusal, or with
    /// `CallResponse::ok()`, upon which the edge opens the stream `stream`; its events follow in the
    /// same step.
    ExecutorSubscribe(ExecutorSubscribe),
    /// UPDATE or MESSAGE of an executor over HTTP; an answer is owed to `reply`.
    ExecutorCall(ExecutorCall),
    /// The connection behind an executor's event stream has ended.
    StreamClosed(StreamId),
    /// The containerizer reports what became of a container.
    Container(ContainerEvent),
    /// A timer that the agent has set is due.
    Timer(Timer),
    /// A `Store` effect is durable.
    Stored(StoreToken),
    /// Records can no longer be made durable, for this reason.
    StoreFailed(String),
    /// Fraction of the work directory's file system in use, 0..1.
    DiskUsage(f64),
    /// The directories of an `Effect::Volumes` are as they should be, or why not.
    Volumes {
        /// The number of the `Command::Volumes`.
        number: u64,
        /// The reason of the failure; `None` if all changes were made.
        failed: Option<String>,
    },
    /// What the machine and the containers use now, for what was due with this timer.
    Usage {
        /// The timer that the measurement was made for.
        due: Timer,
        /// What was measured.
        usage: MachineUsage,
    },
    /// The operator asks the agent to unregister and stop (SIGUSR1).
    Unregister,
}

/// SUBSCRIBE of an executor over HTTP.
#[derive(Debug)]
pub struct ExecutorSubscribe {
    /// The request, to be answered.
    pub reply: ReplyId,
    /// Who calls.
    pub caller: Caller,
    /// The stream that the edge opens if the executor is accepted.
    pub stream: StreamId,
    /// The call as it was received.
    pub call: Box<v1::executor::Call>,
}

/// Any other call of an executor over HTTP.
#[derive(Debug)]
pub struct ExecutorCall {
    /// The request, to be answered.
    pub reply: ReplyId,
    /// Who calls.
    pub caller: Caller,
    /// The call as it was received.
    pub call: Box<v1::executor::Call>,
}

/// What the containerizer reports.
#[derive(Debug)]
pub enum ContainerEvent {
    /// The executor process runs; `pid` is its pid in the agent's namespace.
    Launched {
        /// The container.
        container: ContainerId,
        /// The process id of the executor, in the pid namespace of the agent.
        pid: u32,
    },
    /// Nothing runs: fetching or starting failed. All traces are already cleaned up.
    LaunchFailed {
        /// The container.
        container: ContainerId,
        /// The reason, for operators and frameworks.
        reason: String,
    },
    /// The container runs and cannot have what an `Update` gives it.
    UpdateFailed {
        /// The container.
        container: ContainerId,
        /// The reason, for operators and frameworks.
        reason: String,
    },
    /// The container is over and leaves no process, mount or cgroup behind.
    Exited {
        /// The container.
        container: ContainerId,
        /// How it ended.
        exit: ContainerExit,
    },
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContainerExit {
    /// The wait status of the executor process, as `waitpid` gives it; `None` when unknown.
    pub status: Option<i32>,
    /// Set when the containerizer ended the container because it broke a limit.
    pub limitation: Option<Limitation>,
    /// What the executor had to say and could not, in its order: it has left it in writing.
    pub last_updates: Vec<v1::TaskStatus>,
}

/// Why the containerizer ended a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Limitation {
    /// The reason for the status of the tasks.
    pub reason: v1::task_status::Reason,
    /// For people.
    pub message: String,
    /// The resources that were exceeded, for `TaskStatus.limitation`.
    pub resources: Vec<v1::Resource>,
}
