//! `tepui wait` waits until tasks or runs are over, and reports how they ended.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use messages::v1;
use model::is_terminal;
use serde_json::json;

use super::cli::{CommandError, DETECTION, Master, Target};
use super::find;
use super::state::{State, first_line, framework_id, is_called};
use crate::batch::{exit_code, signalled};
use crate::output;
use crate::signals::Cancel;
use crate::table::{Cell, OutputDevice, draw};

/// The interval at which the master is asked.
const POLL: Duration = Duration::from_millis(300);
const POLL_MOST: Duration = Duration::from_secs(2);
/// The longest duration of an election and of the recovery of the elected master.
const FAILOVER_LIMIT: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
#[command(after_help = "\
The exit code is that of the first task that did not end well, as `tepui run`
would have had it; 0 if all have finished.

Examples:
  tepui wait 0003/run                        A task, as `tepui run --detach` prints it
  tepui wait web.1 web.2                     Tasks by their ids
  tepui wait 0003                            All tasks of a run")]
pub struct Wait {
    #[command(flatten)]
    target: Target,
    /// Ids of tasks, runs or other frameworks, unique parts of these ids, or names
    #[arg(required = true)]
    ids: Vec<String>,
    /// Print nothing
    #[arg(long, short)]
    quiet: bool,
    /// Print how they ended as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

/// The object that an id on the command line names.
#[derive(Debug, Clone, PartialEq)]
struct WaitTarget {
    framework: String,
    /// The task; `None` for all tasks of the framework.
    task: Option<String>,
}

/// Waits, prints how the tasks ended, and returns the exit code of the first task that failed.
///
/// # Errors
///
/// Fails if there is no such task or framework, or if there is no master for longer than a minute.
pub async fn wait(args: Wait) -> Result<ExitCode, CommandError> {
    let mut cancel = Cancel::listen();
    let state = State::get(&args.target.master).await?;
    let targets: Vec<WaitTarget> = args.ids.iter().map(|id| target(&state, id)).collect::<Result<_, _>>()?;
    let state = tokio::select! {
        state = until_over(&args.target.master, state, &targets) => state?,
        signal = cancel.next() => return Ok(ExitCode::from(signalled(signal))),
    };
    let ended: Vec<&v1::Task> = targets.iter().flat_map(|target| target.tasks(&state)).collect();
    let codes: Vec<u8> = ended.iter().map(|task| code(task)).collect();
    report(&args, &state, &ended, &codes);
    Ok(ExitCode::from(codes.into_iter().find(|code| *code != 0).unwrap_or_default()))
}

fn target(state: &State, given: &str) -> Result<WaitTarget, CommandError> {
    let (framework, task) = find::split(given);
    if let Some(framework) = framework {
        // A task of a run in the background may still wait for an offer; the master does not know such a task.
        let mut known = state.frameworks().filter(|(one, live)| *live && is_called(framework_id(one), framework));
        if let (Some((one, _)), None) = (known.next(), known.next()) {
            return Ok(WaitTarget { framework: framework_id(one).to_owned(), task: Some(task.to_owned()) });
        }
    } else if !state.all_tasks().any(|one| one.task_id.value == given) {
        let called = |id: &str, name: &str| is_called(id, given) || name == given;
        let found = state.frameworks().find(|(one, _)| called(framework_id(one), &one.framework_info.name));
        if let Some((one, _)) = found {
            return Ok(WaitTarget { framework: framework_id(one).to_owned(), task: None });
        }
    }
    let task = find::task(state, given)?;
    Ok(WaitTarget { framework: task.framework_id.value.clone(), task: Some(task.task_id.value.clone()) })
}

impl WaitTarget {
    fn tasks<'a>(&self, state: &'a State) -> Vec<&'a v1::Task> {
        let is_own = |task: &&v1::Task| {
            task.framework_id.value == self.framework
                && self.task.as_ref().is_none_or(|wanted| task.task_id.value == *wanted)
        };
        state.all_tasks().filter(is_own).collect()
    }

    /// Returns whether the tasks are over.
    ///
    /// # Errors
    ///
    /// Fails if the framework is gone before the task was started.
    fn is_over(&self, state: &State) -> Result<bool, CommandError> {
        let tasks = self.tasks(state);
        let lives = state.frameworks().any(|(one, live)| live && framework_id(one) == self.framework);
        let all_over = tasks.iter().all(|task| is_terminal(task.state()));
        match (&self.task, tasks.is_empty()) {
            (Some(_), false) => Ok(all_over),
            (None, false) => Ok(all_over && !lives),
            (_, true) if lives => Ok(false),
            (Some(task), true) => Err(CommandError::message(format!(
                "task '{task}' was never started, or is forgotten: its framework is over"
            ))),
            (None, true) => Ok(true),
        }
    }
}

/// Waits until a task is over, and returns it with its last status.
///
/// # Errors
///
/// Fails if the master has forgotten the task, or if there is no master for longer than a minute.
pub async fn end_of_task(master: &Master, task: &v1::Task) -> Result<v1::Task, CommandError> {
    let target = WaitTarget { framework: task.framework_id.value.clone(), task: Some(task.task_id.value.clone()) };
    let state = until_over(master, ask(master).await?, std::slice::from_ref(&target)).await?;
    let ended = target.tasks(&state).into_iter().next().cloned();
    ended.ok_or_else(|| CommandError::message(format!("the master has forgotten task '{}'", task.task_id.value)))
}

async fn until_over(master: &Master, mut state: State, targets: &[WaitTarget]) -> Result<State, CommandError> {
    let mut pause = POLL;
    loop {
        let over: Vec<bool> = targets.iter().map(|target| target.is_over(&state)).collect::<Result<_, _>>()?;
        if over.iter().all(|over| *over) {
            return Ok(state);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 5 / 4).min(POLL_MOST);
        state = ask(master).await?;
    }
}

/// Asks the current leader, since the master may change while the command waits.
async fn ask(master: &Master) -> Result<State, CommandError> {
    let begun = Instant::now();
    loop {
        let answer = match tepui_client::detect(&master.given, DETECTION).await {
            Ok(leader) => State::get(&leader).await,
            Err(error) => Err(CommandError::Client(error)),
        };
        match answer {
            Err(CommandError::Client(error)) if error.is_transient() && begun.elapsed() < FAILOVER_LIMIT => {
                tokio::time::sleep(POLL_MOST).await;
            }
            answer => return answer,
        }
    }
}

/// Returns the exit code of a task that is over.
pub fn code(task: &v1::Task) -> u8 {
    exit_code(task.state(), message(task))
}

fn message(task: &v1::Task) -> &str {
    task.statuses.last().map(|status| status.message()).unwrap_or_default()
}

fn report(args: &Wait, state: &State, ended: &[&v1::Task], codes: &[u8]) {
    if args.quiet {
        return;
    }
    if args.json {
        let rows = ended.iter().zip(codes).map(|(task, code)| {
            json!({
                "task": task.task_id.value, "framework": task.framework_id.value, "state": task.state().as_str_name(),
                "exit": code, "message": message(task),
            })
        });
        return output::json(serde_json::Value::from(rows.collect::<Vec<_>>()));
    }
    let frameworks = state.framework_ids();
    let row = |(task, code): (&&v1::Task, &u8)| -> Vec<Cell> {
        vec![
            format!("{}/{}", frameworks.of(&task.framework_id.value), task.task_id.value).into(),
            Cell::toned(task.state().as_str_name(), super::tone(task.state())),
            code.to_string().into(),
            first_line(message(task)).into_owned().into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = ended.iter().zip(codes).map(row).collect();
    if rows.is_empty() {
        return output::line("no task was started");
    }
    output::print(draw(&["TASK", "STATE", "EXIT", "MESSAGE"], &rows, OutputDevice::stdout()));
}
