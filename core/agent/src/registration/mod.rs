//! The agent and its master.
//!
//! | module | owns |
//! | --- | --- |
//! | `identity` | the identity of the agent |
//! | `master_connection` | the leading master, and the state of the registration with it |
//! | `register` | finding a master, registering with it, and noticing that it is lost |
//! | `terminate` | the end of the agent |

pub(crate) mod identity;
pub(crate) mod master_connection;
pub(crate) mod register;
pub(crate) mod terminate;
