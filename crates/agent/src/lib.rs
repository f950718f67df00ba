//! Every decision of an agent, as a state machine. Pure: no async, no I/O, no clock,
//! no randomness but the seed it is given.
//!
//! `Agent::step(now, input, &mut outbox)` is the only way in; effects come out as data.

mod change;
mod input;
mod outbox;

pub use change::{Change, ExecutorSnapshot, ExecutorState, FrameworkSnapshot};
pub use input::{ContainerEvent, ContainerExit, ExecutorCall, ExecutorSubscribe, Input, Limitation, PeerMessage};
pub use outbox::{ContainerCommand, ContainerLaunch, Effect, Outbox, Record, StoreToken, Timer};
