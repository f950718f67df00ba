//! Draining: the agent is emptied at the request of its master.
//!
//! | module | owns |
//! | --- | --- |
//! | `drain` | whether a drain is under way |
//! | `emptying` | the kills of a drain, and its end |

mod drain;
pub(crate) mod emptying;

pub(crate) use drain::Drain;
