//! Offer constraints: what a framework demands of the agents whose resources it is offered.
//!
//! For a role they are groups of constraints; an agent is offered when all constraints of one group hold for it.
//!
//! | module | owns |
//! | --- | --- |
//! | `compile` | from the message of a framework to what can be asked, with Mesos' reasons against it |
//! | `constraint` | one constraint: which fact of an agent, and what it must be like |
//! | `pattern` | regular expressions within limits |
//! | `dialect` | what RE2 reads differently from the engine used here |
//! | `exclusions` | which agents are excluded for whom, computed when either changes |

mod compile;
mod constraint;
mod exclusions;
mod pattern;
mod re2_syntax;

pub use compile::{InvalidConstraints, OfferConstraintsFilter};
pub(crate) use constraint::AgentAttributes;
pub(crate) use exclusions::Exclusions;
pub use pattern::{InvalidPattern, PatternLimits};
