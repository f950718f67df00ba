//! The executor of tasks in Docker, and the process that looks after a custom executor in Docker: each has one container at
//! the daemon, which it creates, watches and ends by Docker's API.
//!
//! | module | owns |
//! | --- | --- |
//! | `launch` | [`DockerLaunch`], what the agent writes to the standard input |
//! | `container` | the life of the container, from its creation to its end; pure |
//! | `exec_check` | one check by a command in the container; pure |
//! | `requests` | the requests to Docker that are in flight |
//! | `outputs` | the outputs of the container |
//! | `attendant` | the container with its requests, outputs and timers, as the loops use it |
//! | `run` | the loop of the executor of a task |
//! | `supervise` | the loop for a custom executor |

mod attendant;
mod container;
mod exec_check;
mod launch;
mod outputs;
mod requests;
mod run;
mod supervise;

pub use launch::DockerLaunch;
pub use run::main;
