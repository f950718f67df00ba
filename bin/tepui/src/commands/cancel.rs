//! `tepui cancel`: ends tasks, runs and frameworks.

use messages::v1;
use model::is_terminal;
use tepui_client::{Error, post_form};

use super::cli::{CommandError, Target};
use super::find;
use super::state::{State, framework_id, is_called};
use crate::output;

#[derive(clap::Args)]
#[command(after_help = "\
A task is told to end, with its grace period; its framework is told that it was
killed, and may start another. A run or another framework is torn down: all its
tasks end, and it cannot come back.

Examples:
  tepui cancel 0003/run.7                    A task
  tepui cancel web.1 web.2                   Tasks by their ids
  tepui cancel 0003                          A run, by its id in `tepui frameworks`
  tepui cancel --framework spark             A framework, even if a task has the same name")]
pub struct Cancel {
    #[command(flatten)]
    target: Target,
    /// Ids of tasks, runs or other frameworks, the ends of these ids, or names
    #[arg(required = true)]
    ids: Vec<String>,
    /// Look only for frameworks
    #[arg(long)]
    framework: bool,
}

/// The object that an id on the command line names.
#[derive(Debug)]
enum CancelTarget {
    Task { framework: v1::FrameworkId, task: v1::TaskId },
    Framework { id: String, name: String, tasks: usize },
}

/// Ends everything that is named, or nothing if a name is unknown.
///
/// # Errors
///
/// Fails if there is no such live task or framework, or if the master refuses.
pub async fn cancel(args: Cancel) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    let meant = |given: &String| if args.framework { framework(&state, given) } else { target(&state, given) };
    let targets: Vec<CancelTarget> = args.ids.iter().map(meant).collect::<Result<_, _>>()?;
    let frameworks = state.framework_ids();
    for target in targets {
        match target {
            CancelTarget::Task { framework, task } => {
                let fields = [("frameworkId", framework.value.as_str()), ("taskId", task.value.as_str())];
                post_form(&args.target.master, "/master/kill-task", &fields).await.map_err(unable)?;
                let name = frameworks.of(&framework.value);
                output::line(format!("task {name}/{} is told to end", task.value));
            }
            CancelTarget::Framework { id, name, tasks } => {
                post_form(&args.target.master, "/master/teardown", &[("frameworkId", &id)]).await?;
                let ended = if tasks == 1 { "1 task ends".to_owned() } else { format!("{tasks} tasks end") };
                output::line(format!("framework {} '{name}' is torn down: {ended}", frameworks.of(&id)));
            }
        }
    }
    Ok(())
}

/// Turns the 404 of a Mesos master into an explanation: in Mesos only its scheduler can end a task.
fn unable(error: Error) -> CommandError {
    match error {
        Error::Status { status: 404, ref body, .. } if body.is_empty() => CommandError::message(
            "this master cannot end single tasks: only their scheduler can; `tepui cancel FRAMEWORK` ends all of one",
        ),
        error => CommandError::Client(error),
    }
}

/// Finds a task by its id, then a framework, then a task by a part of its id.
fn target(state: &State, given: &str) -> Result<CancelTarget, CommandError> {
    let (of, wanted) = find::split(given);
    let exact = |task: &&v1::Task| {
        task.task_id.value == wanted
            && !is_terminal(task.state())
            && of.is_none_or(|of| is_called(&task.framework_id.value, of))
    };
    let named: Vec<&v1::Task> = state.all_tasks().filter(exact).collect();
    match named.as_slice() {
        [task] => return Ok(of_task(task)),
        [] => {}
        several => {
            let ids = state.framework_ids();
            let ids: Vec<String> =
                several.iter().take(5).map(|one| format!("{}/{wanted}", ids.of(&one.framework_id.value))).collect();
            let count = several.len();
            return Err(CommandError::message(format!(
                "'{given}' could be {count} tasks: name one of {}",
                ids.join(", ")
            )));
        }
    }
    if of.is_none()
        && let Ok(found) = framework(state, given)
    {
        return Ok(found);
    }
    let task = find::task(state, given)?;
    if is_terminal(task.state()) {
        let (id, state) = (&task.task_id.value, task.state().as_str_name());
        return Err(CommandError::message(format!("task '{id}' is over already: it is {state}")));
    }
    Ok(of_task(task))
}

fn of_task(task: &v1::Task) -> CancelTarget {
    CancelTarget::Task { framework: task.framework_id.clone(), task: task.task_id.clone() }
}

fn framework(state: &State, given: &str) -> Result<CancelTarget, CommandError> {
    let found = find::framework(state, given)?;
    let id = framework_id(found).to_owned();
    let tasks = state.tasks.tasks.iter().filter(|task| task.framework_id.value == id).count();
    Ok(CancelTarget::Framework { id, name: found.framework_info.name.clone(), tasks })
}
