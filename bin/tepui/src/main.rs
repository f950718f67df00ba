//! The command line of Tepui. This crate only assembles the others.
//!
//! One binary serves as every program: `tepui agent`, `tepui mesos-agent` and a link named `mesos-agent` are the same.

mod batch;
mod commands;
mod daemon;
mod logging;
mod mesos_flags;
mod output;
mod ports;
mod signals;
mod table;
mod user;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().peekable();
    let invoked = arguments.next().unwrap_or_default();
    let name = Path::new(&invoked).file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    if let Some(program) = program(&name) {
        return program(arguments.collect());
    }
    if let Some(program) = arguments.peek().and_then(|first| program(first.to_str()?)) {
        return program(arguments.skip(1).collect());
    }
    commands::main()
}

type Program = fn(Vec<OsString>) -> ExitCode;

/// Returns the program of this name. Programs take Mesos flags (or none) instead of subcommands.
fn program(name: &str) -> Option<Program> {
    match name {
        "master" | "mesos-master" => Some(daemon::master),
        "agent" | "mesos-agent" | "mesos-slave" => Some(daemon::agent),
        "local" | "mesos-local" => Some(daemon::local),
        "mesos-execute" => Some(commands::execute),
        "mesos-resolve" => Some(commands::resolve),
        // The agent starts these programs.
        "executor" | "mesos-executor" => Some(|_| executor::main()),
        "executor-template" => Some(|_| containerizer::executor_template(executor::command_executor)),
        "default-executor" | "mesos-default-executor" => Some(|_| executor::default_executor()),
        "docker-executor" | "mesos-docker-executor" => Some(|_| executor::docker_executor()),
        "container-init" => Some(|_| executor::init()),
        "container-launch" => Some(|_| executor::container_launch()),
        "container-enter" => Some(|_| executor::container_enter()),
        // A master starts this program.
        master_server::NODE_CLEANUP => Some(daemon::node_cleanup),
        _ => None,
    }
}
