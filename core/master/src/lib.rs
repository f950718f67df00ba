//! The decisions of a master, as a state machine. It is pure: no async, no I/O, no clock, no randomness but the seed
//! that it is given.
//!
//! `Master::step(now, input, &mut outbox)` takes every input; effects are returned as data. `state::State` is
//! made of components that own their indices; handlers are functions of the state and the context of the step, in the
//! folder of their subject.
//!
//! | folder | owns |
//! | --- | --- |
//! | `interface` | configuration, inputs, effects |
//! | `state` | the components of the state |
//! | `frameworks` | subscriptions, connections, the end of frameworks |
//! | `agents` | registration, pings, the end of agents |
//! | `draining` | draining, deactivation, agents that are gone |
//! | `tasks` | tasks, executors, status updates |
//! | `offers` | outstanding offers |
//! | `operations` | operations on resources |
//! | `calls` | calls of schedulers and operators |
//! | `policy` | weights, quota, partitions, maintenance |
//! | `allocation` | the use of the allocator |
//! | `registry` | the durable state |
//! | `failures` | the use of the failure monitor |
//! | `peers` | libprocess links and messages |
//! | `metrics` | counters and gauges |
//! | `support` | ids, indices, times, the timing wheel |

mod agents;
mod allocation;
mod calls;
mod draining;
mod failures;
mod frameworks;
mod interface;
mod master;
mod offers;
mod operations;
mod peers;
mod policy;
mod registry;
mod state;
mod support;
mod tasks;

pub use interface::{
    Command, Config, Effect, Explain, Input, KillTask, MasterEffects, OperatorCall, Outbox, PartitionCall,
    PartitionRequest, SchedulerCall, SchedulerEvent, SchedulerSubscribe, Timer,
};
pub use machine::PeerMessage;
pub use master::Master;
pub use model::Caller;
pub use model::master::Metrics;
pub use offers::OffersEvent;
pub use registry::{
    AgentRecord, CorruptRegistry, Entry, MachineKey, RegistryOperation, RegistryState, UnreachableRecord,
};
