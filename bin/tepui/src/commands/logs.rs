//! `tepui logs` shows the output of a task.

use std::time::{Duration, Instant};

use messages::v1;

use tepui_client::{Files, Follow, FollowRotated, Piece};

use super::cli::{CommandError, Target};
use super::find;
use super::state::State;
use crate::output;
use model::is_terminal;

/// The interval at which a followed file is read. Agents serve it from the page cache.
const POLL: Duration = Duration::from_millis(300);
/// The time for which an agent may be unavailable once its task is over.
const AWAY_LIMIT: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Logs {
    #[command(flatten)]
    target: Target,
    /// The task: its id, or a unique part of it
    task: String,
    /// Continue with new output until the task is over
    #[arg(long, short)]
    follow: bool,
    /// Show stderr instead of stdout
    #[arg(long)]
    stderr: bool,
    /// Show another file of the sandbox
    #[arg(long, conflicts_with = "stderr")]
    file: Option<String>,
    /// Start this many bytes before the end, which may lie in a file that was rotated away; with 0 only what is still to
    /// come is shown
    #[arg(long, allow_negative_numbers = true)]
    tail: Option<u64>,
}

/// The warning when output was rotated away before it was read.
const ROTATED_AWAY: &str =
    "tepui: output was removed by rotation before it could be read; this goes on with the oldest there is";

pub async fn logs(args: Logs) -> Result<(), CommandError> {
    let state = state_with_task(&args).await?;
    let task = find::task(&state, &args.task)?;
    let agent = find::agent_of(&state, task)?;
    let sandbox = find::sandbox(&agent, task).await?;
    let mut file = Source::open(&args, Files::new(agent), &sandbox).await?;
    let mut over = is_terminal(task.state());
    let mut away: Option<Instant> = None;
    loop {
        let piece = match file.available().await {
            // An agent that is restarted is available again soon, and its files are unchanged.
            Err(error) if args.follow && error.is_transient() => {
                if away.is_none() {
                    output::write_stderr(format_args!("tepui: {error}; waiting for the agent"));
                }
                if over && away.is_some_and(|since| since.elapsed() > AWAY_LIMIT) {
                    return Err(error.into());
                }
                away.get_or_insert_with(Instant::now);
                Piece::default()
            }
            outcome => {
                away = None;
                outcome?
            }
        };
        if piece.skipped {
            output::write_stderr(ROTATED_AWAY);
        }
        output::exact(&piece.data);
        if output::is_closed() {
            return Ok(());
        }
        if !piece.data.is_empty() {
            continue;
        }
        if !args.follow || (over && away.is_none()) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
        // The state is read before the next read of the file, so that output before the end is not missed.
        over = match State::get(&args.target.master).await {
            Ok(state) => is_over(&state, task),
            // There is no leader at the moment.
            Err(_) => over,
        };
    }
}

/// Returns the state of the cluster. Whoever follows a task of a framework that has just started, as of `tepui run --detach`,
/// waits until that framework has launched its first task.
async fn state_with_task(args: &Logs) -> Result<State, CommandError> {
    let mut waits = false;
    loop {
        let state = State::get(&args.target.master).await?;
        let is_early = match find::split(&args.task) {
            (Some(framework), _) if args.follow => find::has_launched_nothing(&state, framework),
            _ => false,
        };
        if !is_early {
            return Ok(state);
        }
        if !waits {
            output::write_stderr("tepui: the framework has launched no task yet; waiting for its first one");
            waits = true;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Returns whether the output of a task is complete. A master that has just been elected knows a task only after its
/// agent has re-registered. If the agent is registered, or is not expected to return, an unknown task has been
/// forgotten.
fn is_over(state: &State, task: &v1::Task) -> bool {
    let same = |known: &&v1::Task| known.task_id == task.task_id && known.framework_id == task.framework_id;
    match state.all_tasks().find(same) {
        Some(known) => is_terminal(known.state()),
        None => !state.agents.recovered_agents.iter().any(|agent| agent.id.as_ref() == Some(&task.agent_id)),
    }
}

/// The source of the output. The agent rotates only `stdout` and `stderr`.
enum Source {
    Output(FollowRotated),
    File(Follow),
}

impl Source {
    async fn open(args: &Logs, files: Files, sandbox: &str) -> Result<Source, CommandError> {
        let name = args.file.as_deref().unwrap_or(if args.stderr { "stderr" } else { "stdout" });
        let path = format!("{sandbox}/{name}");
        if matches!(name, "stdout" | "stderr") {
            let mut output = files.follow_rotated(path);
            if let Some(bytes) = args.tail {
                output.start_before_end(bytes).await?;
            }
            return Ok(Source::Output(output));
        }
        let start = match args.tail {
            Some(bytes) => files.size(&path).await?.saturating_sub(bytes),
            None => 0,
        };
        Ok(Source::File(files.follow(path, start)))
    }

    async fn available(&mut self) -> Result<Piece, tepui_client::Error> {
        match self {
            Source::Output(output) => output.available().await,
            Source::File(file) => Ok(Piece { data: file.available().await?, skipped: false }),
        }
    }
}
