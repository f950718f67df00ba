//! The state machine that a master and an agent are.
//!
//! A [`StateMachine`] is stepped with one input at a time and answers with [`Effect`]s in an [`Outbox`]. Handlers get
//! a [`Context`]: the time of the step and the way to emit effects. Whoever runs a machine, be it a host with sockets,
//! the simulator or a test, carries the effects out by implementing [`Interpreter`].

mod call_response;
mod context;
mod effect;
mod interpreter;
mod outbox;
mod peer_message;
mod state_machine;

pub use call_response::{CallResponse, Status};
pub use context::Context;
pub use effect::{Effect, EffectTypes, StoreToken};
pub use interpreter::Interpreter;
pub use outbox::Outbox;
pub use peer_message::PeerMessage;
pub use state_machine::StateMachine;
