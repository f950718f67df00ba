//! `tepui tasks`.

use std::time::SystemTime;

use messages::v1;

use super::cli::{CommandError, Target};
use super::state::{State, age, short};
use crate::output;
use crate::table::{duration, render};
use model::is_terminal;

#[derive(clap::Args)]
pub struct Tasks {
    #[command(flatten)]
    target: Target,
    /// Only tasks that are not over
    #[arg(long)]
    running: bool,
    /// Only tasks of this framework (id, end of id, or name)
    #[arg(long)]
    framework: Option<String>,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

pub async fn tasks(args: Tasks) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    if args.json {
        output::line(String::from_utf8_lossy(&wire::json::encode(&state.tasks)));
        return Ok(());
    }
    let agents = state.agent_names();
    let wanted = |id: &str| match &args.framework {
        Some(given) => state.frameworks().any(|(f, _)| {
            let own = f.framework_info.id.as_ref().map_or("", |i| i.value.as_str());
            own == id && (own == given || own.ends_with(given.as_str()) || f.framework_info.name == *given)
        }),
        None => true,
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let rows: Vec<Vec<String>> = state
        .all_tasks()
        .filter(|task| !(args.running && is_terminal(task.state())))
        .filter(|task| wanted(&task.framework_id.value))
        .map(|task| {
            vec![
                task.task_id.value.clone(),
                task.state().as_str_name().to_owned(),
                agents
                    .get(task.agent_id.value.as_str())
                    .cloned()
                    .unwrap_or_else(|| short(&task.agent_id.value).to_owned()),
                short(&task.framework_id.value).to_owned(),
                age(task, now).map(duration).unwrap_or_default(),
                last_message(task),
            ]
        })
        .collect();
    if rows.is_empty() {
        output::line("No tasks. Start one with: tepui run -- echo hello");
    } else {
        output::print(render(&["TASK", "STATE", "AGENT", "FRAMEWORK", "TIME", "MESSAGE"], &rows));
    }
    Ok(())
}

fn last_message(task: &v1::Task) -> String {
    task.statuses.last().and_then(|s| s.message.clone()).unwrap_or_default()
}
