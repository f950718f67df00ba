//! Everything that can happen to a master. Inputs are already decoded and have
//! passed the syntactic checks of `wire` and `validation::call`.
use std::collections::BTreeSet;
use std::net::SocketAddrV4;

use machine::{PeerMessage, StoreToken};
use messages::tepui::registry::Partition;
use messages::v1;
use model::{Caller, ReplyId, StreamId};

use super::effects::Timer;

/// An input of a master.
#[derive(Debug)]
pub enum Input {
    /// It leads, and has been given the registry: the first input of every master.
    Elected,
    /// SUBSCRIBE over HTTP. The edge has already answered 200 and opened the stream,
    /// as Mesos does: a refusal is an ERROR event followed by the end of the stream.
    SchedulerSubscribe(SchedulerSubscribe),
    /// Any other scheduler call over HTTP; the answer goes to `reply`.
    SchedulerCall(SchedulerCall),
    /// The connection behind a scheduler's event stream has ended.
    StreamClosed(StreamId),
    /// A call that changes the cluster, from the operator API or a legacy endpoint.
    OperatorCall(OperatorCall),
    /// A change of the partitions, which Mesos does not have.
    PartitionCall(PartitionCall),
    /// An operator ends a task, which in Mesos only its scheduler can.
    KillTask(KillTask),
    /// A libprocess message to one of the master's processes.
    Message(PeerMessage),
    /// The link to every process at this address broke. The master itself has kept the link: there is no caller.
    Exited(SocketAddrV4),
    /// Asks why something is not offered; the answer is a JSON document.
    Explain(Explain),
    /// What `--whitelist` says now: only agents with these host names are offered; all when `None`.
    Whitelist(Option<BTreeSet<String>>),
    /// A timer that the master has set is due.
    Timer(Timer),
    /// A `Store` effect is durable.
    Stored(StoreToken),
    /// Why the registry has not been written for longer than `--registry_store_timeout`; nothing once it is again.
    StoreStalled(Option<String>),
}

/// SUBSCRIBE of a scheduler over HTTP.
#[derive(Debug)]
pub struct SchedulerSubscribe {
    /// The event stream that was opened for the scheduler.
    pub stream: StreamId,
    /// Who sent the call.
    pub caller: Caller,
    /// The call.
    pub subscribe: Box<v1::scheduler::call::Subscribe>,
}

/// A call of a scheduler over HTTP but SUBSCRIBE.
#[derive(Debug)]
pub struct SchedulerCall {
    /// Where the answer goes.
    pub reply: ReplyId,
    /// Who sent the call.
    pub caller: Caller,
    /// The `Mesos-Stream-Id` header, if present; unparsable text is `Some(Err)`.
    pub stream: Option<Result<StreamId, String>>,
    /// The call.
    pub call: Box<v1::scheduler::Call>,
}

/// A call of an operator that changes the cluster.
#[derive(Debug)]
pub struct OperatorCall {
    /// Where the answer goes.
    pub reply: ReplyId,
    /// Who sent the call.
    pub caller: Caller,
    /// The call.
    pub call: Box<v1::master::Call>,
}

/// The end of a task that an operator asks for.
#[derive(Debug)]
pub struct KillTask {
    /// Where the answer goes.
    pub reply: ReplyId,
    /// Who asks.
    pub caller: Caller,
    /// The id of the task's framework.
    pub framework: String,
    /// The id of the task.
    pub task: String,
}

/// A question why something is not offered.
#[derive(Debug)]
pub struct Explain {
    /// Where the answer goes.
    pub reply: ReplyId,
    /// Who asks.
    pub caller: Caller,
    /// What is asked.
    pub question: allocator::ExplainQuery,
}

/// A call of an operator that changes the partitions.
#[derive(Debug)]
pub struct PartitionCall {
    /// Where the answer goes.
    pub reply: ReplyId,
    /// Who sent the call.
    pub caller: Caller,
    /// What is to be changed.
    pub request: PartitionRequest,
}

/// A change of the partitions.
#[derive(Debug)]
pub enum PartitionRequest {
    /// Creates or replaces one. `force` says that it need not fit into what there is now.
    Put {
        /// The partition as it is to be.
        partition: Box<Partition>,
        /// Whether a minimum may be larger than what the cluster has now.
        force: bool,
    },
    /// By its id.
    Remove(String),
}
