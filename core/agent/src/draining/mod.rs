//! Draining: the agent is emptied because its master asks for it.
//!
//! | module | owns |
//! | --- | --- |
//! | `drain` | whether a drain is under way |
//! | `emptying` | the kills of a drain, and its end |

mod drain;
pub(crate) mod emptying;

pub(crate) use drain::Drain;
