//! The command: what is run, and how it is watched.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use messages::v1;
use tokio::sync::Notify;

use super::detach;
use super::live::{Live, say_what_is_missing};
use super::why::Why;
use crate::batch::{self, Batch, Observer, Outcome, Plan, Progress, Source, Stalled};
use crate::commands::cli::{CommandError, Target};
use crate::commands::explain::meaning;
use crate::commands::first_line;
use crate::commands::numbers::{MAX_TASKS, cpus};
use crate::commands::operate::amounts::megabytes;
use crate::output;
use crate::table::Place;

#[derive(clap::Args)]
#[command(after_help = "\
One task is run as `docker run` does it: its stdout and stderr are copied
live, and its exit code is that of this command (128 and the number of the
signal that ended it). Several tasks end in a table, and in exit code 1 unless
all have finished. Ctrl-C, SIGTERM and the end of the terminal end what runs,
except with --detach.

Examples:
  tepui run -- echo hello                    One task
  tepui run --instances 20 -- 'sleep 1; echo $TEPUI_INSTANCE'
  tepui run --batch tasks.txt                One task a line of the file
  ID=$(tepui run --detach -- 'sleep 60; exit 3'); tepui wait $ID")]
pub struct Run {
    #[command(flatten)]
    target: Target,
    /// Name of the tasks and of the framework
    #[arg(long, default_value = "run")]
    name: String,
    /// How often to run the command; each finds its number in TEPUI_INSTANCE
    #[arg(long, short = 'n', default_value_t = 1, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TASKS)))]
    instances: u32,
    /// Cpus of each task, from 0.01
    #[arg(long, default_value_t = 0.1, value_parser = cpus, allow_negative_numbers = true)]
    cpus: f64,
    /// Memory of each task in MB, or with a unit, e.g. 2GB
    #[arg(long, default_value = "32", value_parser = megabytes, allow_negative_numbers = true)]
    mem: f64,
    /// Role to run in
    #[arg(long, default_value = "*")]
    role: String,
    /// User to run as on the agents; default: the one who runs this command
    #[arg(long)]
    user: Option<String>,
    /// NAME=VALUE for the environment of each task
    #[arg(long, value_parser = pair)]
    env: Vec<(String, String)>,
    /// A file or URL to fetch into each sandbox
    #[arg(long)]
    uri: Vec<String>,
    /// Run the lines of this file (# starts a comment) instead of one command
    #[arg(long, conflicts_with = "command")]
    batch: Option<PathBuf>,
    /// Nothing but the output of the task, or the table of several
    #[arg(long, short)]
    quiet: bool,
    /// Run in the background: print the ids of the tasks, one a line, and return
    #[arg(long, short)]
    pub(super) detach: bool,
    /// Show in the table where the output is
    #[arg(long, short, conflicts_with = "detach")]
    wide: bool,
    /// Print how the tasks ended as JSON, and none of their output
    #[arg(long, conflicts_with = "detach")]
    json: bool,
    /// The command; one word is a shell line, several are a program and its arguments
    #[arg(last = true, required_unless_present = "batch")]
    command: Vec<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the tasks and returns what the command exits with.
///
/// # Errors
/// No master can be reached, or it refuses the framework.
pub async fn run(args: Run) -> Result<ExitCode, CommandError> {
    let plan = Plan::new(tasks(&args)?);
    if args.detach && !detach::is_background() {
        return detach::start().await;
    }
    let mut framework = framework(&args);
    if args.detach {
        detach::leave_the_terminal();
        framework.failover_timeout = Some(detach::FAILOVER_TIMEOUT);
    }
    let options = batch::Options { master: args.target.master.given.clone(), framework, kill_after: None };
    if args.detach {
        return detach::run(options, plan).await;
    }
    match plan.tasks() {
        [_] if !args.json => alone(&args, options, plan).await,
        _ => several(&args, options, plan).await,
    }
}

/// Copies the output of the only task, and passes its exit code on.
async fn alone(args: &Run, options: batch::Options, plan: Plan) -> Result<ExitCode, CommandError> {
    let nobody_reads = Arc::new(Notify::new());
    let mut live = Live::new(args.target.master.leader.clone(), nobody_reads.clone(), args.quiet);
    let mut batch = Batch::new(options, plan)?;
    let read = tokio::select! {
        ended = batch.run(&mut live) => match ended {
            Err(error) if is_removal(&error) => return Ok(removed()),
            ended => { ended?; true }
        },
        () = nobody_reads.notified() => false,
    };
    // The framework stays until the output is copied, unless nobody waits for it.
    if read && !batch.is_interrupted() {
        tokio::select! {
            () = live.finish() => {}
            () = batch.cancelled() => {}
        }
    }
    let outcome = batch.leave().await;
    if !read {
        return Ok(ExitCode::from(batch::signalled(SIGPIPE)));
    }
    if let Some(code) = interrupted(&outcome) {
        return Ok(code);
    }
    let Some((task, state)) = outcome.plan.tasks().first().and_then(|task| Some((task, task.state?))) else {
        return Ok(ExitCode::FAILURE);
    };
    let by_its_command = task.message.contains("exited with status") || task.message.contains("terminated with signal");
    if state != v1::TaskState::TaskFinished && !args.quiet && (!by_its_command || is_limit(task.reason.as_deref())) {
        let (id, state) = (&task.info.task_id.value, state.as_str_name());
        let reason = task.reason.as_deref().and_then(v1::task_status::Reason::from_str_name);
        let reason = reason.map(|reason| format!(" ({})", meaning(reason))).unwrap_or_default();
        output::write_stderr(format_args!("tepui: task {id} is {state}: {}{reason}", first_line(&task.message)));
    }
    Ok(ExitCode::from(batch::exit_code(state, &task.message)))
}

/// Somebody has torn the framework down. The words are Mesos' (`Master::subscribe`).
fn is_removal(error: &client::Error) -> bool {
    matches!(error, client::Error::Refused(why) if why.contains("Framework has been removed"))
}

fn removed() -> ExitCode {
    output::write_stderr("cancelled: the framework of this run was torn down, and what was running ends");
    ExitCode::from(batch::signalled(SIGTERM))
}

const SIGTERM: i32 = 15;
/// What a process is ended by that writes where nobody reads.
const SIGPIPE: i32 = 13;

/// The container was ended for what it used.
fn is_limit(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.contains("LIMITATION") || reason.contains("MAX_COMPLETION"))
}

async fn several(args: &Run, options: batch::Options, plan: Plan) -> Result<ExitCode, CommandError> {
    let mut watched = Watched::new(args);
    let outcome = match batch::run_batch(options, plan, &mut watched).await {
        Err(error) if is_removal(&error) => return Ok(removed()),
        outcome => outcome?,
    };
    let leader = outcome.master.as_ref().unwrap_or(&args.target.master.leader);
    let rows = batch::rows(leader, &outcome, args.wide || args.json).await;
    if args.json {
        output::json(serde_json::Value::from(rows.iter().map(batch::Row::json).collect::<Vec<_>>()));
    } else {
        output::print(batch::table(&rows, args.wide, Place::stdout()));
    }
    if let Some(code) = interrupted(&outcome) {
        return Ok(code);
    }
    let ok = outcome.plan.tasks().iter().all(|t| t.state == Some(v1::TaskState::TaskFinished));
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what became of a batch that a signal has ended, and returns the exit code for it.
fn interrupted(outcome: &Outcome) -> Option<ExitCode> {
    let signal = outcome.interrupted?;
    match &outcome.teardown_error {
        None => output::write_stderr("interrupted: what was running was killed"),
        Some(error) => output::write_stderr_lines(&format!(
            "interrupted, and the master does not know: {error}\nIt ends what was running once it gives this framework up: \
             after a minute, or ten minutes after a failover of its own."
        )),
    }
    Some(ExitCode::from(batch::signalled(signal)))
}

/// Progress of several tasks, and why none of them starts.
struct Watched {
    progress: Option<Progress>,
    why: Why,
    master: client::Address,
    framework: v1::FrameworkId,
    knows_isolation: bool,
}

impl Watched {
    fn new(args: &Run) -> Self {
        Watched {
            progress: (!args.quiet).then(Progress::new),
            why: Why::default(),
            master: args.target.master.leader.clone(),
            framework: v1::FrameworkId::default(),
            knows_isolation: args.quiet || !std::io::stderr().is_terminal(),
        }
    }
}

impl Observer for Watched {
    fn subscribed(&mut self, framework: &v1::FrameworkId) {
        self.framework = framework.clone();
    }

    fn updated(&mut self, status: &v1::TaskStatus) {
        if let (false, Some(agent)) = (self.knows_isolation, status.agent_id.clone()) {
            self.knows_isolation = true;
            let (master, framework) = (self.master.clone(), self.framework.clone());
            tokio::spawn(say_what_is_missing(Source { master, framework, agent, executor: String::new() }));
        }
    }

    fn changed(&mut self, plan: &Plan) {
        if let Some(progress) = &mut self.progress {
            progress.changed(plan);
        }
    }

    fn stalled(&mut self, stalled: Stalled) {
        if self.progress.is_some() {
            self.why.say(stalled);
        }
    }

    fn lost(&mut self, error: &client::Error, retry_in: Duration) {
        output::write_stderr(format_args!("{error}; trying again in {retry_in:?}"));
    }

    fn finished(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress.finished();
        }
    }
}

fn framework(args: &Run) -> v1::FrameworkInfo {
    use v1::framework_info::{Capability, capability::Type};
    let capability = |t: Type| Capability { r#type: Some(t.into()) };
    v1::FrameworkInfo {
        user: args.user.clone().unwrap_or_else(crate::user::current),
        name: args.name.clone(),
        roles: vec![args.role.clone()],
        // A restart of an agent is no reason to lose what runs there.
        checkpoint: Some(true),
        capabilities: vec![
            capability(Type::MultiRole),
            capability(Type::PartitionAware),
            capability(Type::ReservationRefinement),
        ],
        ..Default::default()
    }
}

fn tasks(args: &Run) -> Result<Vec<v1::TaskInfo>, CommandError> {
    let lines = match &args.batch {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| CommandError::Io { doing: format!("read {}", path.display()), source })?;
            let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
            lines.map(|l| vec![l.to_owned()]).collect()
        }
        None => vec![args.command.clone()],
    };
    if lines.is_empty() {
        return Err(CommandError::message("the batch has no command in it"));
    }
    let per_line = args.instances as usize;
    let total = lines.len().saturating_mul(per_line);
    if total > MAX_TASKS as usize {
        let lines = lines.len();
        return Err(CommandError::message(format!(
            "{lines} commands with {per_line} instances are more than {MAX_TASKS} tasks; start several runs"
        )));
    }
    let commands = lines.iter().flat_map(|l| std::iter::repeat_n(l, per_line));
    Ok(commands.enumerate().map(|(index, words)| task(args, words, index, total)).collect())
}

fn task(args: &Run, words: &[String], index: usize, total: usize) -> v1::TaskInfo {
    let id = if total == 1 { args.name.clone() } else { format!("{}.{index}", args.name) };
    let variable = |name: &str, value: String| v1::environment::Variable {
        name: name.to_owned(),
        value: Some(value),
        ..Default::default()
    };
    let mut variables = vec![variable("TEPUI_INSTANCE", index.to_string())];
    variables.extend(args.env.iter().map(|(name, value)| variable(name, value.clone())));
    let uris = args.uri.iter().map(|uri| v1::command_info::Uri { value: uri.clone(), ..Default::default() });
    let shell = words.len() == 1;
    let command = v1::CommandInfo {
        uris: uris.collect(),
        environment: Some(Box::new(v1::Environment { variables })),
        value: words.first().cloned(),
        shell: Some(shell),
        arguments: if shell { Vec::new() } else { words.to_vec() },
        user: args.user.clone(),
    };
    v1::TaskInfo {
        name: args.name.clone(),
        task_id: v1::TaskId { value: id },
        resources: vec![scalar("cpus", args.cpus), scalar("mem", args.mem)],
        command: Some(Box::new(command)),
        ..Default::default()
    }
}

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        ..Default::default()
    }
}
