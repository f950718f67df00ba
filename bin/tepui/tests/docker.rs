//! Tests tasks at a real Docker daemon, from the command line to the files of the sandbox, with faults of the daemon and
//! restarts of the agent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "docker/cluster.rs"]
mod cluster;
#[path = "docker/daemon.rs"]
mod daemon;
#[path = "docker/faults.rs"]
mod faults;
#[path = "docker/networks.rs"]
mod networks;
#[path = "docker/restarts.rs"]
mod restarts;
#[path = "docker/tasks.rs"]
mod tasks;

mod processes;
