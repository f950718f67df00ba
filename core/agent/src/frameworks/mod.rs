//! Frameworks that have something on this agent.
//!
//! | module | owns |
//! | --- | --- |
//! | `framework` | what the agent remembers of one framework |
//! | `update` | a scheduler that has failed over or changed its description |

pub(crate) mod framework;
pub(crate) mod update;
