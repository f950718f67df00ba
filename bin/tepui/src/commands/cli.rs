//! The command line: the commands, and how they report errors.

use std::ops::Deref;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use model::{visible, with_sources};
use tepui_client::Address;

use super::{
    agents, cancel, containers, examples, explain, failures, frameworks, image, logs, operate, run, shell, status,
    tasks, wait,
};
use crate::output;

/// Runs tasks and services on a cluster of machines. Compatible with Apache Mesos.
#[derive(Parser)]
#[command(name = "tepui", version, after_help = PROGRAMS)]
pub struct Cli {
    /// Without a command, the state of the cluster is shown
    #[command(subcommand)]
    command: Option<Command>,
}

const PROGRAMS: &str = "\
Programs (they take the flags of Mesos, see `tepui PROGRAM --help`):
  local         A cluster on this machine: one master and some agents
  master        A master (also mesos-master)
  agent         An agent (also mesos-agent, mesos-slave)
  mesos-execute mesos-local mesos-resolve
                The programs of Mesos

Start with:  tepui local        and in another terminal:  tepui run -- echo hello
More:        tepui examples";

/// The option that names the master.
#[derive(clap::Args, Clone)]
pub struct Target {
    /// The master as host:port, or the elected one as zk://host:port,host:port/path
    #[arg(long, short, env = MASTER, default_value = DEFAULT_MASTER, value_parser = master)]
    pub master: Master,
}

/// The environment variable that names the master.
const MASTER: &str = "TEPUI_MASTER";
const DEFAULT_MASTER: &str = "127.0.0.1:5050";

/// A leading master and the way in which it was named. Commands that stay connected use the latter to follow a change
/// of leader.
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

/// The time within which ZooKeeper must name a leader.
pub const DETECTION: Duration = Duration::from_secs(10);

/// Detects the leader while the arguments are parsed, so that every command has an address.
fn master(given: &str) -> Result<Master, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| CommandError::Io { doing: "start".to_owned(), source })?;
    let leader = runtime.block_on(tepui_client::detect(given, DETECTION))?;
    Ok(Master { given: given.to_owned(), leader })
}

#[derive(Subcommand)]
enum Command {
    /// Run a command on the cluster and show its output, or run many and show how they ended
    Run(run::Run),
    /// Wait until tasks are over, and exit with their exit code
    Wait(wait::Wait),
    /// End tasks, runs and frameworks
    Cancel(cancel::Cancel),
    /// Show the state of the cluster
    Status(status::Status),
    /// List current and finished tasks
    Tasks(tasks::Tasks),
    /// List agents and how much of them is in use
    Agents(agents::Agents),
    /// List frameworks
    Frameworks(frameworks::Frameworks),
    /// Show the output of a task
    Logs(logs::Logs),
    /// Run a command in the container of a task
    Exec(containers::Exec),
    /// Connect this terminal to that of a task
    Attach(containers::Attach),
    /// Copy files from or to a task
    Cp(containers::Copy),
    /// Show what a task uses
    Top(containers::Top),
    /// Explain the state of a task or framework
    Explain(explain::Explain),
    /// List failures and what was done about them
    Failures(failures::Failures),
    // The following commands describe themselves where they are defined.
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
    #[command(visible_alias = "images")]
    Image(image::ImageArgs),
    /// Show examples of what can be done
    Examples,
    /// Print completions for a shell
    Completions(shell::Completions),
    /// Write man pages
    Man(shell::ManPages),
    /// Show the version of this program, and optionally of a master
    Version(VersionArgs),
}

#[derive(clap::Args)]
struct VersionArgs {
    /// Also ask this master
    #[arg(long, short, value_parser = master)]
    master: Option<Master>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The error of a command, as a text for people.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Client(#[from] tepui_client::Error),
    /// A refusal with a known message, and what to do about it.
    #[error("{0}\nwhat to do: {1}")]
    WithAdvice(#[source] tepui_client::Error, &'static str),
    #[error(transparent)]
    Master(master_server::Error),
    #[error(transparent)]
    Agent(agent_server::Error),
    /// One line. Line breaks in names from elsewhere are made visible.
    #[error("{}", visible(.0))]
    Message(String),
    /// A text of several lines.
    #[error("{0}")]
    Lines(String),
    #[error("cannot {}", visible(.doing))]
    Io { doing: String, source: std::io::Error },
}

impl From<master_server::Error> for CommandError {
    /// Reports a port that is in use together with the program that uses it.
    fn from(error: master_server::Error) -> Self {
        match error {
            master_server::Error::Edge(edge::Error::AddressInUse { address }) => taken(address),
            error => CommandError::Master(error),
        }
    }
}

impl From<agent_server::Error> for CommandError {
    /// Reports a port that is in use together with the program that uses it.
    fn from(error: agent_server::Error) -> Self {
        match error {
            agent_server::Error::Edge(edge::Error::AddressInUse { address }) => taken(address),
            error => CommandError::Agent(error),
        }
    }
}

fn taken(address: std::net::SocketAddrV4) -> CommandError {
    CommandError::Message(crate::ports::taken(address))
}

impl CommandError {
    pub fn message(text: impl Into<String>) -> Self {
        CommandError::Message(text.into())
    }
}

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // The result is help, a version or an error in the arguments.
        Err(error) => return answered(&error),
    };
    block_on(async {
        let Some(command) = cli.command else { return status_of_default().await };
        match command {
            Command::Run(args) => return run::run(args).await,
            Command::Wait(args) => return wait::wait(args).await,
            Command::Cancel(args) => cancel::cancel(args).await?,
            Command::Exec(args) => return containers::exec(args).await,
            Command::Attach(args) => return containers::attach(args).await,
            Command::Cp(args) => return containers::copy(args).await,
            Command::Status(args) => return status::status(args).await,
            Command::Examples => examples::examples(),
            Command::Completions(args) => shell::completions(&args),
            Command::Man(args) => shell::man(&args)?,
            Command::Tasks(args) => tasks::tasks(args).await?,
            Command::Agents(args) => agents::agents(args).await?,
            Command::Frameworks(args) => frameworks::frameworks(args).await?,
            Command::Top(args) => containers::top(args).await?,
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
            Command::Image(args) => image::image(args).await?,
            Command::Version(args) => version(args).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints help, a version or an error in the arguments, in the words of clap.
fn answered(error: &clap::Error) -> ExitCode {
    match error.print() {
        // The reader of the help has closed the pipe.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(&CommandError::Io { doing: "write".to_owned(), source: error })
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX)),
    }
}

/// Returns the exit code of a program that has printed everything it was asked for.
pub fn printed() -> ExitCode {
    match output::failure() {
        None => ExitCode::SUCCESS,
        Some(error) => {
            output::write_stderr(format_args!("tepui: cannot write to stdout: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Shows the state of the cluster that is used by default.
async fn status_of_default() -> Result<ExitCode, CommandError> {
    status::show(&default_master().await?, false).await
}

/// Returns the master that is used by default.
///
/// # Errors
///
/// Fails if the environment names none, or no master is elected.
pub async fn default_master() -> Result<Master, CommandError> {
    let given = match std::env::var_os(MASTER).map(std::ffi::OsString::into_string).transpose() {
        Ok(given) => given.unwrap_or_else(|| DEFAULT_MASTER.to_owned()),
        Err(given) => {
            return Err(CommandError::message(format!("{MASTER}={} is not UTF-8", given.to_string_lossy())));
        }
    };
    let leader = tepui_client::detect(&given, DETECTION).await?;
    Ok(Master { given, leader })
}

/// Runs a command's future on this thread and reports its error, or that of writing its output.
pub fn block_on(future: impl Future<Output = Result<ExitCode, CommandError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&CommandError::Io { doing: "start".to_owned(), source: error }),
    };
    let result = runtime.block_on(future);
    // Tasks that are still running, such as a request whose answer is not needed any more, do not delay the end of the
    // command.
    runtime.shutdown_background();
    match result {
        Err(failure) => fail(&failure),
        Ok(_) if output::failure().is_some() => printed(),
        Ok(code) => code,
    }
}

/// Prints the error of a program, and returns the exit code for it.
pub fn fail(failure: &dyn std::error::Error) -> ExitCode {
    output::write_stderr_lines(&format!("tepui: {}", with_sources(failure)));
    ExitCode::FAILURE
}

async fn version(args: VersionArgs) -> Result<(), CommandError> {
    let own = env!("CARGO_PKG_VERSION");
    let master = match &args.master {
        Some(address) => Some(tepui_client::get_json(address, "/version").await?),
        None => None,
    };
    if args.json {
        output::json(serde_json::json!({ "tepui": own, "master": master }));
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
