//! The effects of a master.

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
/// The context that the handlers of a master are given.
pub(crate) type Context<'a> = machine::Context<'a, MasterEffects>;

/// An event on the stream of a scheduler.
#[derive(Debug, Clone)]
pub enum SchedulerEvent {
    /// Any event except OFFERS.
    Message(Arc<v1::scheduler::Event>),
    /// An OFFERS event, which becomes a message when it is encoded.
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

/// A command that only a master emits.
#[derive(Debug, Clone)]
pub enum Command {
    /// The stream belongs to a subscribed framework from now on. The command is emitted before the SUBSCRIBED event.
    SessionOpened {
        /// The framework's event stream.
        stream: StreamId,
        /// The framework.
        framework: FrameworkId,
    },
}

/// The timers of a master.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// An allocation run is due.
    Allocate,
    /// Heartbeats are due on all HTTP scheduler streams in this slot of the heartbeat wheel.
    Heartbeat(u32),
    /// Pings are due for all agents in this slot of the ping wheel.
    Ping(u32),
    /// The failover timeout of a disconnected framework has passed.
    FrameworkFailover(FrameworkId),
    /// The time of recovered agents to re-register has passed.
    RecoveredAgents,
    /// The next recovered agents are to be pinged.
    PingRecoveredAgents,
    /// The next agent may be marked unreachable (`--agent_removal_rate_limit`).
    AgentRemoval,
    /// Old unreachable and gone agents are to be removed from the registry.
    RegistryGc,
    /// Changed failures are to be persisted.
    PersistFailures,
    /// The time of a disconnected agent to re-register has passed.
    AgentReregister(AgentId),
    /// An offer has been outstanding for `--offer_timeout`.
    OfferTimeout(model::OfferId),
}
