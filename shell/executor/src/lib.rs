//! The executors of tasks: the command executor, a small process that runs one task, and the default executor, which runs
//! groups of tasks in nested containers.
//!
//! | module | owns |
//! | --- | --- |
//! | `core` | the decisions of the command executor about events, exits and timers; pure |
//! | `clock` | the clock and the randomness of the operating system |
//! | `calls` | the calls of an executor, and the updates that are not acknowledged; pure |
//! | `checks` | the times of probes, and the meaning of their results; pure |
//! | `default_executor` | the default executor |
//! | `docker_executor` | the executor of tasks in Docker |
//! | `environment` | the `MESOS_*` variables that the agent sets for its executors |
//! | `event_loop` | the parts that the loops of the executors share |
//! | `connection` | blocking HTTP to the agent: calls, and the event stream |
//! | `command` | the program, arguments and environment of a task |
//! | `container_launch`, `root_filesystem` | the launcher of programs in the root file system of an image |
//! | `init` | the init process that starts custom executors and looks after their processes |
//! | `last_updates` | the updates of an executor that ends before its agent has confirmed them |
//! | `launch_info` | the description of a container with an image, which the agent writes for the launcher |
//! | `memory` | returns unused memory while the executor waits |
//! | `mount_attributes` | attributes of mounts that are not attached yet |
//! | `privileges` | capabilities, `no_new_privs` and filters of system calls, and how a program gets them |
//! | `probe` | carries out the probes of checks |
//! | `process` | starting, signalling and reaping the task |
//! | `quoted_environment` | the environment of programs in images, without effect on the helpers that start them |
//! | `run` | the loop of the command executor |
//! | `subscriber` | the event stream and calls of an executor across restarts of the agent |
//! | `terminal` | the terminal of a container |
//! | `tls` | TLS of health checks by https |
//! | `write_stderr` | messages on stderr |
//!
//! Everything happens on one thread, because each task pays for this process's memory.

mod calls;
mod checks;
mod clock;
mod command;
mod connection;
mod container_launch;
mod core;
mod default_executor;
mod docker_executor;
mod environment;
mod event_loop;
mod init;
mod last_updates;
mod launch_info;
mod memory;
mod mount_attributes;
mod privileges;
mod probe;
mod process;
mod quoted_environment;
mod root_filesystem;
mod run;
mod subscriber;
mod terminal;
mod tls;
mod write_stderr;

pub use container_launch::{enter as container_enter, has_rootless_images, launch as container_launch};
pub use default_executor::main as default_executor;
pub use docker_executor::{DockerLaunch, main as docker_executor};
pub use environment::Environment;
pub use init::main as init;
pub use launch_info::{
    ImageDevice, ImageIsolation, ImageVolume, LaunchInfo, OverlayDirectories, RootSource, SharedMemory, StagedVolume,
    TmpfsMount, UserIds,
};
pub use mount_attributes::set_mount_attributes;
pub use privileges::{Capabilities, Filter, Instruction, PrivilegeStep, Privileges};
pub use quoted_environment::{quoted_environment, unquoted_environment};
pub use run::{command_executor, main, warm_up};
