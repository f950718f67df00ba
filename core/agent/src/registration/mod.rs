//! The agent and its master.
//!
//! | module | owns |
//! | --- | --- |
//! | `register` | finding a master, registering with it, and noticing that it is gone |

pub(crate) mod register;
