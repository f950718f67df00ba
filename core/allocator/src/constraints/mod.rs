//! Offer constraints: conditions of a framework on the agents whose resources it is offered, as in Mesos 1.11.
//!
//! The constraints of a role are groups; an agent is offered when all constraints of at least one group hold for it.
//!
//! | module | owns |
//! | --- | --- |
//! | `compile` | checks the message of a framework and compiles it |
//! | `constraint` | one constraint: a selector of an attribute and a predicate |
//! | `pattern` | regular expressions with bounded memory and time |
//! | `re2_syntax` | translation from the syntax of RE2 |
//! | `exclusions` | the agents that constraints exclude for each framework and role |

mod compile;
mod constraint;
mod exclusions;
mod pattern;
mod re2_syntax;

pub use compile::{InvalidConstraints, OfferConstraintsFilter};
pub(crate) use constraint::AgentAttributes;
pub(crate) use exclusions::Exclusions;
pub use pattern::{InvalidPattern, PatternLimits};
