//! Every decision of a master, as a state machine. Pure: no async, no I/O, no clock,
//! no randomness but the seed it is given.
//!
//! `Master::step(now, input, &mut outbox)` is the only way in; effects come out as data.

mod agent;
mod allocation;
mod calls;
mod capabilities;
mod change;
mod config;
mod cx;
mod departure;
mod disconnect;
mod draining;
mod drivers;
mod dump;
mod executors;
mod explain;
mod failures;
mod framework;
mod heartbeats;
mod ids;
mod input;
mod links;
mod master;
pub mod metrics;
mod offered;
mod offers;
mod operations;
mod operator;
mod outbox;
mod peers;
mod pings;
mod policy;
mod readmission;
mod recovery;
mod registration;
mod registry;
mod removals;
mod reregistration;
mod subscribe;
mod task;
mod text;
mod traffic;
mod updates;
mod wheel;

pub use change::{
    AgentDeparture, AgentSnapshot, Change, ExecutorSnapshot, FrameworkSnapshot, MaintenanceSnapshot, OfferSnapshot,
    TaskDeparture,
};
pub use config::Config;
pub use input::{
    Caller, Explain, Input, OperatorCall, PartitionCall, PartitionRequest, PeerMessage, SchedulerCall,
    SchedulerSubscribe,
};
pub use master::Master;
pub use metrics::Metrics;
pub use offered::{Offered, OffersEvent};
pub use operations::OperationUuid;
pub use outbox::{Effect, Outbox, StoreToken, Timer};
pub use registry::{
    AgentRecord, CorruptRegistry, Entry, MachineKey, RegistryOperation, RegistryState, UnreachableRecord,
};
pub use traffic::Traffic;
