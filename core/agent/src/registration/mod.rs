//! The agent and its master.
//!
//! | module | owns |
//! | --- | --- |
//! | `identity` | who the agent is |
//! | `master_connection` | the leading master, and how far the registration with it has come |
//! | `register` | finding a master, registering with it, and noticing that it is gone |
//! | `terminate` | the end of the agent |

pub(crate) mod identity;
pub(crate) mod master_connection;
pub(crate) mod register;
pub(crate) mod terminate;
