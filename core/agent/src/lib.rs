//! Every decision of an agent, as a state machine. Pure: no async, no I/O, no clock,
//! no randomness but the seed it is given.
//!
//! `Agent::step(now, input, &mut outbox)` is the only way in; effects come out as data.

mod agent;
mod agent_health;
mod command_task;
mod config;
mod container_events;
mod duration;
mod effects;
mod environment;
mod executor_api;
mod executor_driver;
mod executor_messages;
mod frameworks;
mod gc;
mod input;
mod kill;
mod launch;
mod limits;
mod metrics;
mod operations;
mod paths;
mod pending_writes;
mod recovery;
mod registration;
mod state;
mod status_update_manager;
mod updates;

pub use agent::Agent;
pub use config::{Config, Recover, VERSION};
pub use effects::{AgentEffects, Command, ContainerCommand, ContainerLaunch, Effect, Outbox, Record, Timer};
pub use input::{ContainerEvent, ContainerExit, ExecutorCall, ExecutorSubscribe, Input, Limitation, PeerMessage};
pub use metrics::{Counter, Gauge, Metrics, ResourceGauges};
pub use operations::{
    ContainerUsage, ContainerVolume, LoadAverage, MachineUsage, QosController, RecoveredResources, ResourceEstimator,
    VolumeChange,
};
pub use recovery::{Incompatible, ReconfigurationPolicy, RecoveredState, Recovery};
