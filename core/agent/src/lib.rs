//! The decisions of an agent, as a state machine. It is pure: no async, no I/O, no clock, no randomness but the seed
//! that it is given.
//!
//! `Agent::step(now, input, &mut outbox)` takes every input; effects are returned as data.

mod agent;
mod config;
mod containers;
mod dispatch;
mod draining;
mod effects;
mod executors;
mod frameworks;
mod input;
mod operations;
mod pending_writes;
mod recovery;
mod registration;
mod sandboxes;
mod state;
mod tasks;
mod updates;
mod usage;

pub use agent::Agent;
pub use config::{Config, Recover, VERSION};
pub use containers::RecoveredNested;
pub use effects::{
    AgentEffects, Command, ContainerCommand, ContainerLaunch, Effect, NestedLaunch, Outbox, Record, Timer,
};
pub use input::{
    ContainerCall, ContainerEvent, ContainerExit, ContainerRequest, ExecutorCall, ExecutorSubscribe, Input,
    LaunchFailure, Limitation, NestedContainerRequest,
};
pub use machine::PeerMessage;
pub use model::agent::Metrics;
pub use operations::{ContainerVolume, RecoveredResources, VolumeChange};
pub use recovery::{Incompatible, ReconfigurationPolicy, RecoveredState, Recovery};
pub use usage::{ContainerUsage, LoadAverage, MachineUsage, QosController, ResourceEstimator};
