//! The command `tepui run`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use messages::v1;
use tokio::sync::Notify;

use super::container::{Container, ContainerFlags};
use super::detach;
use super::live::{Live, say_what_is_missing};
use super::live_pod::LivePod;
use super::live_terminal::{LiveTerminal, WAITS};
use super::pod;
use super::stall_explainer::StallExplainer;
use super::units::duration;
use crate::batch::{self, Batch, Observer, Outcome, Plan, Progress, Source, Stalled};
use crate::commands::cli::{CommandError, Target};
use crate::commands::containers::terminal_size;
use crate::commands::explain::{advice_for, meaning};
use crate::commands::first_line;
use crate::commands::numbers::{MAX_TASKS, cpus};
use crate::commands::operate::amounts::megabytes;
use crate::output;
use crate::table::OutputDevice;

#[derive(clap::Args)]
#[command(after_help = "\
With one task this command behaves like `docker run`: it copies stdout and
stderr of the task as they are written, and returns its exit code (128 plus the
number of the signal if a signal ended it). With several tasks it prints a table
at the end, and returns 1 unless all have finished; a pod also shows the output
of its tasks. Ctrl-C, SIGTERM and the end of the terminal end the tasks, except
with --detach.

Examples:
  tepui run -- echo hello                    One task
  tepui run --instances 20 -- 'sleep 1; echo $TEPUI_INSTANCE'
  tepui run --image busybox -- ls /          In a container image
  tepui run -it --image busybox -- sh        A shell in a terminal
  tepui run -e LANG -v /data:/data:ro -- ls /data
  tepui run --batch tasks.txt                One task per line of the file
  tepui run --pod pod.json                   Tasks that run together as a group
  ID=$(tepui run --detach -- 'sleep 60; exit 3'); tepui wait $ID")]
pub struct Run {
    #[command(flatten)]
    target: Target,
    /// The name of the tasks and of the framework
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
    /// The number of times to run the command; each task finds its number in TEPUI_INSTANCE
    #[arg(long, short = 'n', default_value_t = 1, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TASKS)))]
    instances: u32,
    /// Cpus of each task, from 0.01
    #[arg(long, default_value_t = 0.1, value_parser = cpus, allow_negative_numbers = true)]
    cpus: f64,
    /// Memory of each task in MB, or with a unit, e.g. 2GB
    #[arg(long, default_value = "32", value_parser = megabytes, allow_negative_numbers = true)]
    mem: f64,
    /// The role to run in
    #[arg(long, default_value = "*")]
    role: String,
    /// A file or URL to fetch into each sandbox, where archives are unpacked; it may end with ?checksum=sha256:...
    #[arg(long)]
    uri: Vec<String>,
    /// Take the files of --uri from the cache of the agent, and leave them there
    #[arg(long, requires = "uri")]
    uri_cache: bool,
    /// Run the lines of this file instead of one command; # starts a comment
    #[arg(long, conflicts_with = "command")]
    batch: Option<PathBuf>,
    /// Run the tasks of this file together on one agent; if one fails, the others end. The file is JSON:
    /// {"name": "web", "tasks": [{"name": "a", "command": "sleep 1", "cpus": 0.1, "mem": 32}]}; the pod may also have
    /// networks, ports and hostname, and each task image, tty, volumes, mounts, cap_add, cap_drop, user, env, uris, disk,
    /// limits, health_check, health_checks, check, kill_grace and max_completion_time; volumes and mounts are lists of what
    /// --volume and --mount take
    #[arg(long, conflicts_with_all = ["command", "batch", "instances", "image", "uri", "env"])]
    pod: Option<PathBuf>,
    /// Run the command in a terminal; its output is shown as that of `tepui attach`
    #[arg(long, short, conflicts_with_all = ["pod", "json"])]
    tty: bool,
    /// Pass what is typed on to the terminal of the task
    #[arg(long, short, requires = "tty", conflicts_with_all = ["batch", "detach"])]
    interactive: bool,
    /// Print only the output of a single task, or only the table of several tasks
    #[arg(long, short)]
    quiet: bool,
    /// Run in the background: print the ids of the tasks, one per line, and return
    #[arg(long, short)]
    pub(super) detach: bool,
    /// The time after which a run in the background ends if there is no master. What runs continues, but nothing that
    /// waits is started, and the master keeps the framework for a week
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h", requires = "detach")]
    master_timeout: Duration,
    /// Show the paths of the sandboxes in the table
    #[arg(long, conflicts_with = "detach")]
    wide: bool,
    /// Print how the tasks ended as JSON, without their output
    #[arg(long, conflicts_with = "detach")]
    json: bool,
    #[command(flatten)]
    container: ContainerFlags,
    /// The command: one word is a shell command line, several are a program and its arguments. In an image, words that are no
    /// command line are arguments of its entrypoint, if it has one
    #[arg(last = true, required_unless_present_any = ["batch", "image", "pod"])]
    command: Vec<String>,
}

const DEFAULT_NAME: &str = "run";

/// Runs the tasks and returns the exit code of the command.
///
/// # Errors
///
/// Fails if no master can be reached, or if it refuses the framework.
pub async fn run(mut args: Run) -> Result<ExitCode, CommandError> {
    if args.interactive && !std::io::stdin().is_terminal() {
        return Err(CommandError::message("stdin is no terminal: leave out --interactive (-i)"));
    }
    let plan = plan(&mut args)?;
    if args.interactive && plan.tasks().len() > 1 {
        return Err(CommandError::message(
            "one terminal serves one task: leave out --interactive (-i), or --instances",
        ));
    }
    if args.detach && !detach::is_background() {
        return detach::start().await;
    }
    let mut framework = framework(&args);
    if args.detach {
        detach::leave_the_terminal();
        framework.failover_timeout = Some(detach::FAILOVER_TIMEOUT);
    }
    let options = batch::Options {
        master: args.target.master.given.clone(),
        framework,
        kill_after: None,
        master_timeout: args.detach.then_some(args.master_timeout),
    };
    if args.detach {
        return detach::run(options, plan).await;
    }
    match plan.tasks() {
        _ if args.pod.is_some() => run_pod(&args, options, plan).await,
        [_] if args.tty => run_in_terminal(&args, options, plan).await,
        [_] if !args.json => run_one(&args, options, plan).await,
        _ => run_several(&args, options, plan).await,
    }
}

/// Runs one task: copies its output and returns its exit code.
async fn run_one(args: &Run, options: batch::Options, plan: Plan) -> Result<ExitCode, CommandError> {
    let nobody_reads = Arc::new(Notify::new());
    let mut live = Live::new(args.target.master.leader.clone(), nobody_reads.clone(), args.quiet);
    let mut batch = Batch::new(options, plan)?;
    let read = tokio::select! {
        ended = batch.run(&mut live) => match ended {
            Err(error) if is_removal(&error) => return Ok(print_removed()),
            ended => { ended?; true }
        },
        () = nobody_reads.notified() => false,
    };
    // The framework stays until the output is copied, unless the reader of the output is gone or the run was
    // interrupted.
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
    Ok(exit_code_of_one(args, &outcome))
}

/// Runs one task on a terminal, which this one is connected to, and returns its exit code.
async fn run_in_terminal(args: &Run, options: batch::Options, plan: Plan) -> Result<ExitCode, CommandError> {
    let mut live = LiveTerminal::new(args.target.master.leader.clone(), args.interactive);
    let mut batch = Batch::new(options, plan)?;
    match batch.run(&mut live).await {
        Err(error) if is_removal(&error) => return Ok(print_removed()),
        ended => ended?,
    }
    let connected = tokio::select! {
        connected = live.finish(), if !batch.is_interrupted() => connected,
        () = batch.cancelled() => Ok(()),
    };
    let outcome = batch.leave().await;
    if let Err(error) = connected {
        output::write_stderr(format_args!("tepui: the terminal of the task was lost: {error}"));
    }
    Ok(exit_code_of_one(args, &outcome))
}

/// Returns the exit code of a run of one task, and prints how the task ended if its own output does not say it.
fn exit_code_of_one(args: &Run, outcome: &Outcome) -> ExitCode {
    if let Some(code) = interrupted(outcome) {
        return code;
    }
    let Some((task, state)) = outcome.plan.tasks().first().and_then(|task| Some((task, task.state?))) else {
        return ExitCode::FAILURE;
    };
    let by_its_command = task.message.contains("exited with status") || task.message.contains("terminated with signal");
    let id = &task.info.task_id.value;
    if let (Some(why), false) = (&task.unhealthy, args.quiet) {
        output::write_stderr(format_args!("tepui: task {id} is {}: {why}", state.as_str_name()));
    } else if state != v1::TaskState::TaskFinished
        && !args.quiet
        && (!by_its_command || is_limit(task.reason.as_deref()))
    {
        let reason = task.reason.as_deref().and_then(v1::task_status::Reason::from_str_name);
        let reason = reason.map(|reason| format!(" ({})", meaning(reason, &task.message))).unwrap_or_default();
        let (state, message) = (state.as_str_name(), first_line(&task.message));
        output::write_stderr(format_args!("tepui: task {id} is {state}: {message}{reason}"));
        if let Some(advice) = advice_for(&task.message) {
            output::write_stderr(format_args!("what to do: {advice}"));
        }
    }
    ExitCode::from(batch::exit_code(state, &task.message))
}

/// Returns whether an operator has torn the framework down. The text is that of Mesos (`Master::subscribe`).
fn is_removal(error: &tepui_client::Error) -> bool {
    matches!(error, tepui_client::Error::Refused(reason) if reason.contains("Framework has been removed"))
}

fn print_removed() -> ExitCode {
    output::write_stderr("cancelled: the framework of this run was torn down, and what was running ends");
    ExitCode::from(batch::signalled(SIGTERM))
}

const SIGTERM: i32 = 15;
/// The signal that ends a process that writes to a closed pipe.
const SIGPIPE: i32 = 13;

/// Returns whether the container was ended because of a limit.
fn is_limit(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.contains("LIMITATION") || reason.contains("MAX_COMPLETION"))
}

/// Runs a pod: copies the output of its tasks, each line after the name of its task, and shows a table at the end.
async fn run_pod(args: &Run, options: batch::Options, plan: Plan) -> Result<ExitCode, CommandError> {
    let nobody_reads = Arc::new(Notify::new());
    let shows_output = !args.quiet && !args.json;
    let mut live =
        LivePod::new(args.target.master.leader.clone(), &args.name, &plan, shows_output, nobody_reads.clone());
    let mut batch = Batch::new(options, plan)?;
    tokio::select! {
        ended = batch.run(&mut live) => match ended {
            Err(error) if is_removal(&error) => return Ok(print_removed()),
            ended => ended?,
        },
        () = nobody_reads.notified() => {
            batch.leave().await;
            return Ok(ExitCode::from(batch::signalled(SIGPIPE)));
        }
    }
    // The framework stays until the output is copied, unless the run was interrupted.
    if !batch.is_interrupted() {
        tokio::select! {
            () = live.finish() => {}
            () = batch.cancelled() => {}
        }
    }
    let outcome = batch.leave().await;
    report(args, &outcome).await
}

async fn run_several(args: &Run, options: batch::Options, plan: Plan) -> Result<ExitCode, CommandError> {
    let mut watched = Watched::new(args);
    let outcome = match batch::run_batch(options, plan, &mut watched).await {
        Err(error) if is_removal(&error) => return Ok(print_removed()),
        outcome => outcome?,
    };
    report(args, &outcome).await
}

/// Prints how the tasks ended, and returns the exit code for it.
async fn report(args: &Run, outcome: &Outcome) -> Result<ExitCode, CommandError> {
    let leader = outcome.master.as_ref().unwrap_or(&args.target.master.leader);
    let rows = batch::rows(leader, outcome, args.wide || args.json).await;
    if args.json {
        output::json(serde_json::Value::from(rows.iter().map(batch::Row::json).collect::<Vec<_>>()));
    } else {
        output::print(batch::table(&rows, args.wide, OutputDevice::stdout()));
    }
    if let Some(code) = interrupted(outcome) {
        return Ok(code);
    }
    let ok = outcome.plan.tasks().iter().all(|t| t.state == Some(v1::TaskState::TaskFinished));
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what became of a batch that a signal has ended, and returns the exit code for it.
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

/// The observer of several tasks: shows progress, and why none of them starts.
struct Watched {
    progress: Option<Progress>,
    stall_explainer: StallExplainer,
    master: tepui_client::Address,
    framework: v1::FrameworkId,
    knows_isolation: bool,
}

impl Watched {
    fn new(args: &Run) -> Self {
        Watched {
            progress: (!args.quiet).then(Progress::new),
            stall_explainer: StallExplainer::default(),
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
            let source = Source { master, framework, agent, executor: String::new(), nested: None };
            tokio::spawn(say_what_is_missing(source));
        }
    }

    fn changed(&mut self, plan: &Plan) {
        if let Some(progress) = &mut self.progress {
            progress.changed(plan);
        }
    }

    fn stalled(&mut self, stalled: Stalled) {
        if self.progress.is_some() {
            self.stall_explainer.explain(stalled);
        }
    }

    fn lost(&mut self, error: &tepui_client::Error, retry_in: Duration) {
        output::write_stderr(format_args!("{error}; trying again in {retry_in:?}"));
    }

    fn finished(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress.finished();
        }
    }
}

/// Returns the user that the tasks run as.
fn user(args: &Run) -> String {
    args.container.user.clone().unwrap_or_else(crate::user::current)
}

fn framework(args: &Run) -> v1::FrameworkInfo {
    use v1::framework_info::{Capability, capability::Type};
    let gpus = args.container.has_gpus().then_some(Type::GpuResources);
    let capability = |t: Type| Capability { r#type: Some(t.into()) };
    v1::FrameworkInfo {
        user: user(args),
        name: args.name.clone(),
        roles: vec![args.role.clone()],
        // The tasks survive a restart of their agent.
        checkpoint: Some(true),
        capabilities: [Type::MultiRole, Type::PartitionAware, Type::ReservationRefinement]
            .into_iter()
            .chain(gpus)
            .map(capability)
            .collect(),
        ..Default::default()
    }
}

/// Returns what to run. The name of a pod in its file becomes that of the framework, unless the command names another.
fn plan(args: &mut Run) -> Result<Plan, CommandError> {
    let Some(path) = &args.pod else { return Ok(Plan::new(tasks(args)?)) };
    if let Some(flag) = args.container.for_one_task() {
        return Err(CommandError::message(format!(
            "--{flag} describes one task, and each task of --pod has its own: write it into the file of the pod"
        )));
    }
    let user = user(args);
    let pod = pod::read(path, pod::Defaults { cpus: args.cpus, mem: args.mem, user: &user })?;
    if let Some(name) = pod.name.filter(|_| args.name == DEFAULT_NAME) {
        args.name = name;
    }
    let mut tasks = pod.tasks;
    for command in tasks.iter_mut().filter_map(|task| task.command.as_deref_mut()) {
        command.user = command.user.take().or_else(|| args.container.user.clone());
    }
    let mut executor = pod::executor(&args.name, pod::EXECUTOR);
    executor.container = pod.container;
    executor.resources.extend(pod.ports);
    Ok(Plan::pod(executor, tasks))
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
    let container = args.container.container(&user(args))?;
    let commands = lines.iter().flat_map(|l| std::iter::repeat_n(l, per_line));
    commands.enumerate().map(|(index, words)| task(args, &container, words, index, total)).collect()
}

fn task(
    args: &Run,
    container: &Container,
    words: &[String],
    index: usize,
    total: usize,
) -> Result<v1::TaskInfo, CommandError> {
    let id = if total == 1 { args.name.clone() } else { format!("{}.{index}", args.name) };
    let variable = |name: &str, value: String| v1::environment::Variable {
        name: name.to_owned(),
        value: Some(value),
        ..Default::default()
    };
    let mut variables = vec![variable("TEPUI_INSTANCE", index.to_string())];
    variables.extend(container.variables.iter().map(|(name, value)| variable(name, value.clone())));
    let cache = args.uri_cache.then_some(true);
    let uris = args.uri.iter().map(|uri| v1::command_info::Uri { value: uri.clone(), cache, ..Default::default() });
    let (command, label) = match &args.batch {
        // The lines of a file are command lines, also if they have one word.
        Some(_) => (container.shell_command(&words.concat()), None),
        None => container.command(words)?,
    };
    let command = v1::CommandInfo {
        uris: uris.collect(),
        environment: Some(Box::new(v1::Environment { variables })),
        user: args.container.user.clone(),
        ..command
    };
    let (mut info, mut labels) = (container.info.clone(), container.labels.clone());
    if let Some(label) = label {
        labels.get_or_insert_default().labels.push(label);
    }
    if args.tty {
        let plain =
            || Box::new(v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() });
        let tty_info = v1::TtyInfo { window_size: terminal_size() };
        info.get_or_insert_with(plain).tty_info = Some(Box::new(tty_info));
        if total == 1 && !args.detach {
            let (key, value) = WAITS;
            let label = v1::Label { key: key.to_owned(), value: Some(value.to_owned()) };
            labels.get_or_insert_default().labels.push(label);
        }
    }
    let mut resources = vec![scalar("cpus", args.cpus), scalar("mem", args.mem)];
    resources.extend(container.resources.iter().cloned());
    Ok(v1::TaskInfo {
        name: args.name.clone(),
        task_id: v1::TaskId { value: id },
        resources,
        command: Some(Box::new(command)),
        container: info,
        health_check: container.health_check.clone(),
        kill_policy: container.kill_policy.clone(),
        labels,
        ..Default::default()
    })
}

/// Returns a scalar resource.
pub(super) fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar.into(),
        scalar: Some(v1::value::Scalar { value }),
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod document_tests;
