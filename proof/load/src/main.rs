//! `load` runs simulated agents and schedulers over real sockets against any master: see `load --help`.
//!
//! `fleet` and `scheduler` are state machines without sockets. `connections` and `readers` own the sockets, and
//! `session` connects the parts. `run`, `incremental`, `freed` and `failover` are the measurements.

mod cli;
mod connections;
mod failover;
mod fleet;
mod freed;
mod http;
mod incremental;
mod meter;
mod process;
mod readers;
mod reads;
mod report;
mod resources;
mod run;
mod scheduler;
mod session;
mod shared;
mod stats;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("load: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> Result<String, Box<dyn Error>> {
    // The generator uses one thread, because the master needs the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut reports = Vec::new();
    for target in cli.command.targets() {
        reports.push(match &cli.command {
            Command::Run(options) => runtime.block_on(run::run(options, target))?,
            Command::Incremental(options) => runtime.block_on(incremental::run(options, target))?,
            Command::Freed(options) => runtime.block_on(freed::run(options, target))?,
            Command::Reads(options) => runtime.block_on(reads::run(options, target))?,
            Command::Failover(options) => runtime.block_on(failover::run(options))?,
        });
    }
    Ok(if cli.command.json() { report::json(&reports)? } else { report::table(&reports) })
}
