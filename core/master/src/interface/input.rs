//! The inputs of a master. They are decoded and have passed the syntactic checks of `wire` and `validation::call`.
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
    /// The master leads and has read the registry; this is the first input of every master.
    Elected,
    /// A SUBSCRIBE over HTTP. The edge has already answered 200 and opened the stream, as Mesos does: a refusal is an
    /// ERROR event followed by the end of the stream.
    SchedulerSubscribe(SchedulerSubscribe),
    /// Any other scheduler call over HTTP; the response goes to `reply`.
    SchedulerCall(SchedulerCall),
    /// The connection behind a scheduler's event stream has ended.
    StreamClosed(StreamId),
    /// A call that changes the cluster, from the operator API or a v0 endpoint.
    OperatorCall(OperatorCall),
    /// A change of the partitions, which Mesos does not have.
    PartitionCall(PartitionCall),
    /// An operator ends a task, which in Mesos only its scheduler can.
    KillTask(KillTask),
    /// A libprocess message to one of the master's processes.
    Message(PeerMessage),
    /// The link to every process at this address broke. The master itself has kept the link, so there is no caller.
    Exited(SocketAddrV4),
    /// A query why something is not offered; the response is a JSON document.
    Explain(Explain),
    /// The new content of `--whitelist`: only agents with these host names are offered; `None` for all agents.
    Whitelist(Option<BTreeSet<String>>),
    /// A timer that the master has set is due.
    Timer(Timer),
    /// A `Store` effect is durable.
    Stored(StoreToken),
    /// The reason why the registry has not been written for longer than `--registry_store_timeout`; `None` once it is
    /// written again.
    StoreStalled(Option<String>),
}

/// A SUBSCRIBE of a scheduler over HTTP.
#[derive(Debug)]
pub struct SchedulerSubscribe {
    /// The event stream that was opened for the scheduler.
    pub stream: StreamId,
    /// The sender of the call.
    pub caller: Caller,
    /// The call.
    pub subscribe: Box<v1::scheduler::call::Subscribe>,
}

/// Any call of a scheduler over HTTP except SUBSCRIBE.
#[derive(Debug)]
pub struct SchedulerCall {
    /// The request to respond to.
    pub reply: ReplyId,
    /// The sender of the call.
    pub caller: Caller,
    /// The `Mesos-Stream-Id` header, if present; unparsable text is `Some(Err)`.
    pub stream: Option<Result<StreamId, String>>,
    /// The call.
    pub call: Box<v1::scheduler::Call>,
}

/// A call of an operator that changes the cluster.
#[derive(Debug)]
pub struct OperatorCall {
    /// The request to respond to.
    pub reply: ReplyId,
    /// The sender of the call.
    pub caller: Caller,
    /// The call.
    pub call: Box<v1::master::Call>,
}

/// A request of an operator to end a task.
#[derive(Debug)]
pub struct KillTask {
    /// The request to respond to.
    pub reply: ReplyId,
    /// The sender of the request.
    pub caller: Caller,
    /// The id of the task's framework.
    pub framework: String,
    /// The id of the task.
    pub task: String,
}

/// A query why something is not offered.
#[derive(Debug)]
pub struct Explain {
    /// The request to respond to.
    pub reply: ReplyId,
    /// The sender of the query.
    pub caller: Caller,
    /// The query.
    pub question: allocator::ExplainQuery,
}

/// A call of an operator that changes the partitions.
#[derive(Debug)]
pub struct PartitionCall {
    /// The request to respond to.
    pub reply: ReplyId,
    /// The sender of the call.
    pub caller: Caller,
    /// The change.
    pub request: PartitionRequest,
}

/// A change of the partitions.
#[derive(Debug)]
pub enum PartitionRequest {
    /// Creates or replaces a partition.
    Put {
        /// The partition as it is to be.
        partition: Box<Partition>,
        /// Whether a minimum may be larger than what the cluster has now.
        force: bool,
    },
    /// Removes the partition with this id.
    Remove(String),
}
