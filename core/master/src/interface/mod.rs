//! What goes in and comes out: the configuration, the inputs and the effects of a master.

mod config;
mod effects;
mod input;

pub use config::Config;
pub(crate) use effects::Context;
pub use effects::{Command, Effect, MasterEffects, Outbox, SchedulerEvent, Timer};
pub use input::{
    Explain, Input, KillTask, OperatorCall, PartitionCall, PartitionRequest, SchedulerCall, SchedulerSubscribe,
};
