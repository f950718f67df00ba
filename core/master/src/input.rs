//! Everything that can happen to a master. Inputs are already decoded and have
//! passed the syntactic checks of `wire` and `validation::call`.

use crate::effects::Timer;
use machine::StoreToken;
use std::collections::BTreeSet;
use std::net::SocketAddrV4;

use messages::tepui::registry::Partition;
use messages::{Message, v1};
use model::{Principal, ReplyId, StreamId, Upid};

#[derive(Debug)]
pub enum Input {
    /// It leads, and has been given the registry: the first input of every master.
    Elected,
    /// SUBSCRIBE over HTTP. The edge has already answered 200 and opened the stream,
    /// as Mesos does: a refusal is an ERROR event followed by the end of the stream.
    SchedulerSubscribe(SchedulerSubscribe),
    /// Any other scheduler call over HTTP; an answer is owed to `reply`.
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
    /// The link to every process at this address broke.
    Exited(SocketAddrV4),
    /// Why something is offered to nobody; a JSON document is owed.
    Explain(Explain),
    /// What `--whitelist` says now: only agents with these host names are offered; all when `None`.
    Whitelist(Option<BTreeSet<String>>),
    Timer(Timer),
    /// A `Store` effect is durable.
    Stored(StoreToken),
    /// Why the registry has not been written for longer than `--registry_store_timeout`; nothing once it is again.
    StoreStalled(Option<String>),
}

/// Who is calling, as authenticated by the edge (nobody, when authentication is off).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    pub principal: Option<Principal>,
}

#[derive(Debug)]
pub struct SchedulerSubscribe {
    pub stream: StreamId,
    pub caller: Caller,
    pub subscribe: Box<v1::scheduler::call::Subscribe>,
}

#[derive(Debug)]
pub struct SchedulerCall {
    pub reply: ReplyId,
    pub caller: Caller,
    /// The `Mesos-Stream-Id` header, if present; unparsable text is `Some(Err)`.
    pub stream: Option<Result<StreamId, String>>,
    pub call: Box<v1::scheduler::Call>,
}

#[derive(Debug)]
pub struct OperatorCall {
    pub reply: ReplyId,
    pub caller: Caller,
    pub call: Box<v1::master::Call>,
}

#[derive(Debug)]
pub struct KillTask {
    pub reply: ReplyId,
    pub caller: Caller,
    pub framework: String,
    pub task: String,
}

#[derive(Debug)]
pub struct Explain {
    pub reply: ReplyId,
    pub question: allocator::ExplainQuery,
}

#[derive(Debug)]
pub struct PeerMessage {
    pub from: Upid,
    /// The process id it was addressed to: `master`, `slave-observer(7)`.
    pub to: String,
    pub message: Message,
}

#[derive(Debug)]
pub struct PartitionCall {
    pub reply: ReplyId,
    pub caller: Caller,
    pub request: PartitionRequest,
}

#[derive(Debug)]
pub enum PartitionRequest {
    /// Creates or replaces one. `force` says that it need not fit into what there is now.
    Put { partition: Box<Partition>, force: bool },
    /// By its id.
    Remove(String),
}
