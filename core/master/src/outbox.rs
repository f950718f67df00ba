//! Everything a master can want done. The shell carries effects out in order.

use std::net::SocketAddrV4;
use std::sync::Arc;

use messages::{Message, v1};
use model::{AgentId, CallResponse, FrameworkId, Monotonic, ReplyId, StreamId, Upid};

use crate::change::Change;
use crate::outgoing_offers::OffersEvent;
use crate::registry::RegistryOperation;

#[derive(Debug, Clone)]
pub enum Effect {
    /// CallResponse a request. Each `ReplyId` is answered exactly once.
    Reply {
        reply: ReplyId,
        answer: CallResponse,
    },
    /// Put an event on a scheduler's stream; the edge encodes it in the stream's content type.
    Event {
        stream: StreamId,
        event: Arc<v1::scheduler::Event>,
    },
    /// The same for an OFFERS event, which is described when it is encoded.
    Offers {
        stream: StreamId,
        offers: OffersEvent,
    },
    /// End a scheduler's stream after the events before it. The core forgets the stream
    /// with this effect: no `StreamClosed` need follow (one that does is ignored).
    CloseStream(StreamId),
    /// Send a libprocess message from the process `from` (`master`, `slave-observer(7)`).
    Send {
        from: Arc<str>,
        to: Upid,
        message: Message,
    },
    /// Keep a connection to this address and report `Exited` when it breaks.
    Link(SocketAddrV4),
    /// Nothing at this address is of interest any more.
    Unlink(SocketAddrV4),
    /// Deliver `Input::Timer(timer)` at `at`; replaces an earlier deadline of the same timer.
    Arm {
        timer: Timer,
        at: Monotonic,
    },
    Disarm(Timer),
    /// Make durable, then deliver `Input::Stored(token)`. Effects that depend on it
    /// are only emitted when that arrives.
    Store {
        token: StoreToken,
        operation: RegistryOperation,
    },
    /// For the views; applied in order.
    Publish(Change),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreToken(pub u64);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// An allocation run is due.
    Allocate,
    /// Heartbeats of all HTTP scheduler streams in this slot of the heartbeat wheel.
    Heartbeat(u32),
    /// Pings of all agents in this slot of the ping wheel.
    Ping(u32),
    /// A disconnected framework has used up its failover timeout.
    FrameworkFailover(FrameworkId),
    /// The agents of the master before have had their time to come back.
    RecoveredAgents,
    /// Agents of the master before are asked to come.
    PingRecoveredAgents,
    /// The next agent may be given up (`--agent_removal_rate_limit`).
    AgentRemoval,
    /// Unreachable and gone agents are to be looked through for old ones.
    RegistryGc,
    /// What was learnt of failures is to be written down.
    PersistFailures,
    /// A disconnected agent has not come back.
    AgentReregister(AgentId),
    /// An offer has been outstanding for `--offer_timeout`.
    OfferTimeout(model::OfferId),
}

/// The effects of a step.
pub type Outbox = model::Outbox<Effect>;

impl From<Change> for Effect {
    fn from(change: Change) -> Self {
        Effect::Publish(change)
    }
}
