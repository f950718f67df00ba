//! The standard streams of containers, which callers attach to over HTTP. In Mesos the I/O switchboard does it, a process
//! of its own for each container. Here the agent has the pipes of a session (LAUNCH_NESTED_CONTAINER_SESSION), which ends
//! with its connection; the init of a container has its terminal, which outlives the agent.
//!
//! | module | owns |
//! | --- | --- |
//! | `ends` | the pipes of a session |
//! | `session` | the streams of one session, and those that read them |
//! | `table` | all sessions |
//! | `terminal` | the connections to terminals |
//! | `output` | the body of a response with the output |
//! | `input` | the records of a request with the input |

mod ends;
pub mod input;
pub mod output;
mod session;
mod table;
pub mod terminal;

pub use ends::ContainerEnds;
pub use session::Session;
pub use table::Sessions;
