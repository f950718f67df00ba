//! The command line of `conformance`.

use std::io::{self, Write};
use std::net::{SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use clap::{Args, Parser, Subcommand};

use crate::report::{self, Column};
use crate::suite::{self, Case, Need};
use crate::world::World;
use crate::{cases, replay};

/// Checks that a master (and an agent) behaves as Apache Mesos 1.11 does.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Option<Run>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the cases.
    List,
    /// Send recorded requests to two masters and compare their answers.
    Replay(Replay),
}

#[derive(Debug, Args)]
struct Run {
    /// The master under test, as HOST:PORT.
    #[arg(long, value_parser = address)]
    master: SocketAddrV4,
    /// An agent registered with it; cases that need one are skipped without.
    #[arg(long, value_parser = address)]
    agent: Option<SocketAddrV4>,
    /// A second master, shown in its own column.
    #[arg(long, value_parser = address)]
    versus: Option<SocketAddrV4>,
    /// An agent registered with the second master.
    #[arg(long, value_parser = address, requires = "versus")]
    versus_agent: Option<SocketAddrV4>,
    /// Only cases whose number begins with this or whose description contains it.
    #[arg(long)]
    filter: Option<String>,
    /// Include the cases that need this set-up.
    #[arg(long, value_delimiter = ',')]
    with: Vec<Need>,
    /// The same as --with slow.
    #[arg(long)]
    slow: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Replay {
    /// The master whose answers are the reference.
    #[arg(long, value_parser = address)]
    master: SocketAddrV4,
    /// The master to compare with the first one. Without it, the answers of the first one are printed.
    #[arg(long, value_parser = address)]
    versus: Option<SocketAddrV4>,
    /// Files with recordings. The default is the recordings that come with this program.
    files: Vec<PathBuf>,
}

pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match (cli.command, cli.run) {
        (Some(Command::List), _) => list(),
        (Some(Command::Replay(replay)), _) => play(&replay),
        (None, Some(run)) => test(&run),
        (None, None) => Err(io::Error::new(io::ErrorKind::InvalidInput, "--master HOST:PORT is missing")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "conformance: {error}");
            ExitCode::from(2)
        }
    }
}

fn test(run: &Run) -> io::Result<bool> {
    let wanted = |case: &&Case| match &run.filter {
        Some(filter) => case.id.starts_with(filter.as_str()) || case.checks.contains(filter.as_str()),
        None => true,
    };
    let cases: Vec<&Case> = cases::all().filter(wanted).collect();
    let mut with = run.with.clone();
    if run.slow {
        with.push(Need::Slow);
    }
    let targets: Vec<(SocketAddrV4, Option<SocketAddrV4>)> =
        [(Some(run.master), run.agent), (run.versus, run.versus_agent)]
            .into_iter()
            .filter_map(|(master, agent)| Some((master?, agent)))
            .collect();
    let columns = run_all(&cases, &targets, &with);

    let mut out = io::stdout().lock();
    if run.json {
        writeln!(out, "{:#}", report::json(&cases, &columns))?;
    } else {
        report::table(&mut out, &cases, &columns)?;
    }
    Ok(!report::any_failed(&columns))
}

/// Tests all masters at the same time; they do not affect each other.
fn run_all(cases: &[&Case], targets: &[(SocketAddrV4, Option<SocketAddrV4>)], with: &[Need]) -> Vec<Column> {
    thread::scope(|scope| {
        let start = |(master, agent): &(SocketAddrV4, Option<SocketAddrV4>)| {
            let (master, agent) = (*master, *agent);
            let title = match agent {
                Some(agent) => format!("master {master} with agent {agent}"),
                None => format!("master {master}"),
            };
            let running = scope.spawn(move || suite::run(cases, &World::new(master, agent), with));
            (title, running)
        };
        let running: Vec<_> = targets.iter().map(start).collect();
        // Cases do not panic. If one did, its column would stay empty and the others would be shown.
        running
            .into_iter()
            .map(|(title, thread)| Column { title, outcomes: thread.join().unwrap_or_default() })
            .collect()
    })
}

fn list() -> io::Result<bool> {
    let mut out = io::stdout().lock();
    for case in cases::all() {
        let needs: Vec<String> = case.needs.iter().copied().map(suite::name).collect();
        let needs = if needs.is_empty() { String::new() } else { format!(" (--with {})", needs.join(",")) };
        writeln!(out, "{:8}{}{needs}", case.id, case.checks)?;
    }
    Ok(true)
}

fn play(replay: &Replay) -> io::Result<bool> {
    let recordings = replay::load(&replay.files)?;
    let mut out = io::stdout().lock();
    match replay.versus {
        Some(versus) => replay::compare(&mut out, &recordings, replay.master, versus),
        None => replay::print(&mut out, &recordings, replay.master),
    }
}

fn address(text: &str) -> Result<SocketAddrV4, String> {
    let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses
        .find_map(|address| match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        })
        .ok_or_else(|| "no IPv4 address".to_owned())
}
