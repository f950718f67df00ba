//! The command line for people: what commands there are and how they fail.

use std::ops::Deref;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use client::Address;

use super::{agents, explain, failures, frameworks, logs, operate, run, tasks};
use crate::output;

/// Runs tasks and services on a cluster of machines. Speaks Apache Mesos.
#[derive(Parser)]
#[command(name = "tepui", version, after_help = PROGRAMS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const PROGRAMS: &str = "\
Programs (they take Mesos flags, see `tepui PROGRAM --help`):
  local         A whole cluster on this machine: one master and some agents
  master        A master (also as mesos-master)
  agent         An agent (also as mesos-agent, mesos-slave)
  mesos-execute mesos-local mesos-resolve
                As in Mesos

Start with:  tepui local        and in another terminal:  tepui run -- echo hello";

/// Where the cluster is.
#[derive(clap::Args, Clone)]
pub struct Target {
    /// The master, as host:port, or where masters are elected, as zk://host:port,host:port/path
    #[arg(long, short, env = "TEPUI_MASTER", default_value = "127.0.0.1:5050", value_parser = master)]
    pub master: Master,
}

/// A master, and how it was named: whoever stays longer than one answer has to follow the lead.
#[derive(Debug, Clone)]
pub struct Master {
    pub given: String,
    pub leader: Address,
}

impl Deref for Master {
    type Target = Address;

    fn deref(&self) -> &Address {
        &self.leader
    }
}

/// Time for ZooKeeper to name a leader.
pub const DETECTION: Duration = Duration::from_secs(10);

/// While the arguments are read, so that every command has an address to talk to.
fn master(given: &str) -> Result<Master, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| CommandError::Io { doing: "start".to_owned(), source })?;
    let leader = runtime.block_on(client::detect(given, DETECTION))?;
    Ok(Master { given: given.to_owned(), leader })
}

#[derive(Subcommand)]
enum Command {
    /// Run commands on the cluster, show their progress and how they ended
    Run(run::Run),
    /// List tasks: what runs, and what ran
    Tasks(tasks::Tasks),
    /// List agents and how much of them is in use
    Agents(agents::Agents),
    /// List frameworks
    Frameworks(frameworks::Frameworks),
    /// Show the output of a task
    Logs(logs::Logs),
    /// Say why a task or framework is where it is
    Explain(explain::Explain),
    /// List what went wrong, and what was done about it
    Failures(failures::Failures),
    // Of these, each tells by itself what it is for, at length with `--help`.
    Role(operate::Role),
    Quota(operate::Quota),
    Weight(operate::Weight),
    Partition(operate::Partition),
    Reserve(operate::Reserve),
    Unreserve(operate::Unreserve),
    Volume(operate::Volume),
    Maintenance(operate::Maintenance),
    Drain(operate::Drain),
    Deactivate(operate::Deactivate),
    Reactivate(operate::Reactivate),
    Gone(operate::Gone),
    /// Show the version of this program, and of a master
    Version(VersionArgs),
}

#[derive(clap::Args)]
struct VersionArgs {
    /// Ask this master as well
    #[arg(long, short, value_parser = master)]
    master: Option<Master>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a command failed with: a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Client(#[from] client::Error),
    /// A refusal whose words are known, with what may be done.
    #[error("{0}\nwhat to do: {1}")]
    WithAdvice(#[source] client::Error, &'static str),
    #[error(transparent)]
    Master(#[from] master_server::Error),
    #[error(transparent)]
    Agent(#[from] agent_server::Error),
    #[error("{0}")]
    Message(String),
    #[error("cannot {doing}")]
    Io { doing: String, source: std::io::Error },
}

impl CommandError {
    pub fn message(text: impl Into<String>) -> Self {
        CommandError::Message(text.into())
    }
}

pub fn main() -> ExitCode {
    let cli = Cli::parse();
    block_on(async {
        match cli.command {
            Command::Run(args) => return run::run(args).await,
            Command::Tasks(args) => tasks::tasks(args).await?,
            Command::Agents(args) => agents::agents(args).await?,
            Command::Frameworks(args) => frameworks::frameworks(args).await?,
            Command::Logs(args) => logs::logs(args).await?,
            Command::Explain(args) => explain::explain(args).await?,
            Command::Failures(args) => failures::failures(args).await?,
            Command::Role(args) => operate::role(args).await?,
            Command::Quota(args) => operate::quota(args).await?,
            Command::Weight(args) => operate::weight(args).await?,
            Command::Partition(args) => operate::partition(args).await?,
            Command::Reserve(args) => operate::reserve(args).await?,
            Command::Unreserve(args) => operate::unreserve(args).await?,
            Command::Volume(args) => operate::volume(args).await?,
            Command::Maintenance(args) => operate::maintenance(args).await?,
            Command::Drain(args) => operate::drain(args).await?,
            Command::Deactivate(args) => operate::deactivate(args).await?,
            Command::Reactivate(args) => operate::reactivate(args).await?,
            Command::Gone(args) => operate::gone(args).await?,
            Command::Version(args) => version(args).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Runs a command's future on this thread and reports its failure.
pub fn block_on(future: impl Future<Output = Result<ExitCode, CommandError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&CommandError::Io { doing: "start".to_owned(), source: error }),
    };
    match runtime.block_on(future) {
        Ok(code) => code,
        Err(failure) => fail(&failure),
    }
}

pub fn fail(failure: &dyn std::error::Error) -> ExitCode {
    let mut text = failure.to_string();
    let mut source = failure.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    output::write_stderr(format_args!("tepui: {text}"));
    ExitCode::FAILURE
}

async fn version(args: VersionArgs) -> Result<(), CommandError> {
    let own = env!("CARGO_PKG_VERSION");
    let master = match &args.master {
        Some(address) => Some(client::get_json(address, "/version").await?),
        None => None,
    };
    if args.json {
        output::line(serde_json::json!({ "tepui": own, "master": master }));
        return Ok(());
    }
    output::line(format!("tepui {own}"));
    if let (Some(address), Some(master)) = (&args.master, master) {
        output::line(format!(
            "master {} speaks Mesos {}",
            address.leader,
            master["version"].as_str().unwrap_or("of unknown version")
        ));
    }
    Ok(())
}
