//! Operations on resources: their form, and whether they may be done by who asks, on the agent meant.
//!
//! Whether the resources are there is not judged here: applying the conversion tells.

mod context;
mod disks;
mod form;
mod judge;
mod reservations;
mod volumes;

pub use context::{AgentFacts, Context, FrameworkFacts};
pub use form::validate_form;
pub use judge::validate;
