//! Every decision of an agent, as a state machine. Pure: no async, no I/O, no clock,
//! no randomness but the seed it is given.
//!
//! `Agent::step(now, input, &mut outbox)` is the only way in; effects come out as data.

mod agent;
mod change;
mod command_task;
mod config;
mod delivery;
mod duration;
mod endings;
mod environment;
mod executor_api;
mod executor_driver;
mod frameworks;
mod gc;
mod health;
mod input;
mod kill;
mod launch;
mod limits;
mod metrics;
mod operations;
mod outbox;
mod paths;
mod recovery;
mod registration;
mod state;
mod stores;
mod streams;
mod updates;

pub use agent::Agent;
pub use change::{Change, Draining, ExecutorSnapshot, ExecutorState, FrameworkSnapshot, RecalledExecutor};
pub use config::{Config, Recover, VERSION};
pub use input::{ContainerEvent, ContainerExit, ExecutorCall, ExecutorSubscribe, Input, Limitation, PeerMessage};
pub use metrics::{Counter, Gauge, Metrics, ResourceGauges};
pub use operations::{
    ContainerUsage, ContainerVolume, Estimator, LoadAverage, MachineUsage, QosController, RecoveredResources,
    VolumeChange,
};
pub use outbox::{ContainerCommand, ContainerLaunch, Effect, Outbox, Record, StoreToken, Timer};
pub use recovery::{Chronicle, Incompatible, ReconfigurationPolicy, Recovery};
