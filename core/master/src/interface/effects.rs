//! Everything a master can want done.

use std::sync::Arc;

use machine::EffectTypes;
use messages::v1;
use model::master::Change;
use model::{AgentId, FrameworkId, StreamId};
use wire::{ContentType, StreamEvent};

use crate::offers::OffersEvent;
use crate::registry::RegistryOperation;

/// The types of a master's effects.
#[derive(Debug, Clone)]
pub struct MasterEffects;

impl EffectTypes for MasterEffects {
    type Timer = Timer;
    type StreamEvent = SchedulerEvent;
    type Record = RegistryOperation;
    type Change = Change;
    type Command = Command;
}

/// An effect of a master.
pub type Effect = machine::Effect<MasterEffects>;
/// The effects of one step of a master.
pub type Outbox = machine::Outbox<MasterEffects>;
/// What the handlers of a master are given.
pub(crate) type Context<'a> = machine::Context<'a, MasterEffects>;

/// What the stream of a scheduler carries.
#[derive(Debug, Clone)]
pub enum SchedulerEvent {
    /// Any event but OFFERS.
    Message(Arc<v1::scheduler::Event>),
    /// An OFFERS event, which is described when it is encoded.
    Offers(OffersEvent),
}

impl StreamEvent for SchedulerEvent {
    fn encode_as(&self, content_type: ContentType) -> Vec<u8> {
        match self {
            SchedulerEvent::Message(event) => event.encode_as(content_type),
            SchedulerEvent::Offers(offers) => offers.encode_as(content_type),
        }
    }

    fn size(&self) -> usize {
        match self {
            SchedulerEvent::Message(event) => event.size(),
            SchedulerEvent::Offers(offers) => offers.size(),
        }
    }
}

impl From<v1::scheduler::Event> for SchedulerEvent {
    fn from(event: v1::scheduler::Event) -> Self {
        SchedulerEvent::Message(Arc::new(event))
    }
}

impl From<OffersEvent> for SchedulerEvent {
    fn from(offers: OffersEvent) -> Self {
        SchedulerEvent::Offers(offers)
    }
}

/// What only a master asks for.
#[derive(Debug, Clone)]
pub enum Command {
    /// The stream belongs to a subscribed framework from now on; emitted before its SUBSCRIBED event.
    SessionOpened {
        /// The framework's event stream.
        stream: StreamId,
        /// The framework.
        framework: FrameworkId,
    },
}

/// The deadlines of a master.
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
    /// The next agent may be marked unreachable (`--agent_removal_rate_limit`).
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
