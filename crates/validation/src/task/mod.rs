//! Whether tasks can be launched on an offer.

mod context;
mod group;
mod launch;
mod own;

pub use context::{AgentFacts, Context, TaskIdUse};
pub use group::validate as validate_group;
pub use launch::validate;
