//! Every decision of a master, as a state machine. Pure: no async, no I/O, no clock,
//! no randomness but the seed it is given.
//!
//! `Master::step(now, input, &mut outbox)` is the only way in; effects come out as data.

mod agent;
mod agent_removal;
mod agent_removal_limiter;
mod allocation;
mod calls;
mod capabilities;
mod config;
mod connection;
mod disconnect;
mod draining;
mod drivers;
mod dump;
mod effects;
mod executors;
mod explain;
mod failures;
mod framework;
mod framework_metrics;
mod heartbeats;
mod ids;
mod input;
mod links;
mod master;
pub mod metrics;
mod offers;
mod operations;
mod operator;
mod outgoing_offers;
mod peers;
mod pings;
mod policy;
mod readmission;
mod recovery;
mod registration;
mod registry;
mod reregistration;
mod subscribe;
mod task;
mod text;
mod timing_wheel;
mod updates;

pub use config::Config;
pub use effects::{Command, Effect, MasterEffects, Outbox, SchedulerEvent, Timer};
pub use input::{
    Caller, Explain, Input, KillTask, OperatorCall, PartitionCall, PartitionRequest, PeerMessage, SchedulerCall,
    SchedulerSubscribe,
};
pub use master::Master;
pub use metrics::Metrics;
pub use outgoing_offers::{OffersEvent, OutgoingOffer};
pub use registry::{
    AgentRecord, CorruptRegistry, Entry, MachineKey, RegistryOperation, RegistryState, UnreachableRecord,
};
