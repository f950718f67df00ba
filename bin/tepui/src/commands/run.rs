//! `tepui run`.

use std::path::PathBuf;
use std::process::ExitCode;

use messages::v1;

use super::cli::{CommandError, Target};
use crate::batch;
use crate::output;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tepui run -- echo hello                    one task
  tepui run --instances 20 -- 'sleep 1; echo $TEPUI_INSTANCE'
  tepui run --batch tasks.txt                one task a line of the file")]
pub struct Run {
    #[command(flatten)]
    target: Target,
    /// Name of the tasks and of the framework
    #[arg(long, default_value = "run")]
    name: String,
    /// How often to run the command; each finds its number in TEPUI_INSTANCE
    #[arg(long, short = 'n', default_value_t = 1)]
    instances: u32,
    /// Cpus of each task
    #[arg(long, default_value_t = 0.1)]
    cpus: f64,
    /// Memory of each task in MB
    #[arg(long, default_value_t = 32.0)]
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
    /// No progress, only the table
    #[arg(long, short)]
    quiet: bool,
    /// The command; one word is a shell line, several are a program and its arguments
    #[arg(last = true, required_unless_present = "batch")]
    command: Vec<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub async fn run(args: Run) -> Result<ExitCode, CommandError> {
    let plan = batch::Plan::new(tasks(&args)?);
    let options =
        batch::Options { master: args.target.master.given.clone(), framework: framework(&args), kill_after: None };
    let mut progress = batch::Progress::new();
    let observer: &mut dyn batch::Observer = if args.quiet { &mut batch::NoObserver } else { &mut progress };
    let outcome = batch::run_batch(options, plan, observer).await?;
    let leader = outcome.master.as_ref().unwrap_or(&args.target.master.leader);
    output::print(batch::table(leader, &outcome).await);
    match (outcome.interrupted, &outcome.teardown_error) {
        (true, None) => eprintln!("interrupted: what was running was killed"),
        (true, Some(error)) => eprintln!(
            "interrupted, and the master does not know: {error}\nIt ends what was running once it gives this framework up: \
             after a minute, or ten minutes after a failover of its own."
        ),
        (false, _) => {}
    }
    let ok = outcome.plan.tasks().iter().all(|t| t.state == Some(v1::TaskState::TaskFinished));
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    let per_line = args.instances.max(1);
    let total = lines.len() * per_line as usize;
    let commands = lines.iter().flat_map(|l| std::iter::repeat_n(l, per_line as usize));
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
