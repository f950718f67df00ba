//! The command executor: a small process that runs one task.
//!
//! | module | owns |
//! | --- | --- |
//! | `core` | the decisions about events, exits and timers; pure |
//! | `environment` | the `MESOS_*` variables that the agent sets for its executors |
//! | `connection` | blocking HTTP to the agent: calls, and the event stream |
//! | `chunked` | the transfer coding of the event stream |
//! | `command` | what exactly is executed for a task |
//! | `container_launch`, `root_filesystem` | the launcher of programs in the root file system of an image |
//! | `init` | the init process that starts custom executors and looks after their processes |
//! | `last_updates` | the updates of an executor that ends before its agent has confirmed them |
//! | `launch_info` | the description of a container with an image, which the agent writes for the launcher |
//! | `memory` | returns unused memory while the executor waits |
//! | `probe` | carries out the probes of checks |
//! | `process` | starting, signalling and reaping the task |
//! | `run` | the loop that ties them together |
//! | `terminal` | the terminal of a container |
//! | `tls` | TLS of health checks by https |
//! | `write_stderr` | messages on stderr |
//!
//! Everything happens on one thread, because each task pays for this process's memory.

mod chunked;
mod command;
mod connection;
mod container_launch;
mod core;
mod environment;
mod init;
mod last_updates;
mod launch_info;
mod memory;
mod probe;
mod process;
mod root_filesystem;
mod run;
mod terminal;
mod tls;
mod write_stderr;

pub use container_launch::{enter as container_enter, launch as container_launch};
pub use environment::Environment;
pub use init::main as init;
pub use launch_info::{LaunchInfo, UserIds};
pub use run::main;
