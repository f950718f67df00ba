//! The command executor: one task, one long-lived small process.
//!
//! | module | owns |
//! | --- | --- |
//! | `core` | the decisions: what to do upon events, exits and timers; pure |
//! | `environment` | what the agent tells its executor by `MESOS_*` variables |
//! | `connection` | blocking HTTP to the agent: calls, and the event stream |
//! | `chunked` | the transfer coding of that stream |
//! | `command` | what exactly is executed for a task |
//! | `init` | not the executor: who starts a custom one, which needs somebody to look after it |
//! | `last_updates` | the updates of an executor that ends before its agent has confirmed them |
//! | `memory` | being small while waiting |
//! | `probe` | looking at the task, for its checks |
//! | `process` | starting, signalling and reaping the task |
//! | `run` | the loop that ties them together |
//! | `tls` | health checks by https |
//! | `write_stderr` | words on stderr |
//!
//! Everything happens on one thread, because each task pays for this process's memory.

mod chunked;
mod command;
mod connection;
mod core;
mod environment;
mod init;
mod last_updates;
mod memory;
mod probe;
mod process;
mod run;
mod tls;
mod write_stderr;

pub use environment::Environment;
pub use init::main as init;
pub use run::main;
