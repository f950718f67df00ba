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
//! | `privileges` | capabilities, `no_new_privs` and filters of system calls, and how a program gets them |
//! | `probe` | carries out the probes of checks |
//! | `process` | starting, signalling and reaping the task |
//! | `run` | the loop that ties them together |
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
mod privileges;
mod probe;
mod process;
mod root_filesystem;
mod run;
mod tls;
mod write_stderr;

pub use container_launch::{enter as container_enter, has_rootless_images, launch as container_launch};
pub use environment::Environment;
pub use init::main as init;
pub use launch_info::{
    ImageDevice, ImageIsolation, ImageVolume, LaunchInfo, OverlayDirectories, RootSource, SharedMemory, StagedVolume,
    UserIds,
};
pub use privileges::{Capabilities, Filter, Instruction, PrivilegeStep, Privileges};
pub use run::main;
