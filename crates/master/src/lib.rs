//! Every decision of a master, as a state machine. Pure: no async, no I/O, no clock,
//! no randomness but the seed it is given.
//!
//! `Master::step(now, input, &mut outbox)` is the only way in; effects come out as data.

mod change;
mod input;
mod outbox;

pub use change::{
    AgentDeparture, AgentSnapshot, Change, ExecutorSnapshot, FrameworkSnapshot, OfferSnapshot, TaskDeparture,
};
pub use input::{Caller, Input, OperatorCall, PeerMessage, SchedulerCall, SchedulerSubscribe};
pub use outbox::{Effect, Outbox, RegistryOperation, StoreToken, Timer};
