//! The interface of a master: configuration, inputs and effects.

mod config;
mod effects;
mod input;

pub use config::Config;
pub(crate) use effects::Context;
pub use effects::{Command, Effect, MasterEffects, Outbox, SchedulerEvent, Timer};
pub use input::{
    Explain, Input, KillTask, OperatorCall, PartitionCall, PartitionRequest, SchedulerCall, SchedulerSubscribe,
};
