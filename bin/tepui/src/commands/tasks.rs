//! `tepui tasks` lists tasks.

use std::time::SystemTime;

use messages::v1;

use super::checks;
use super::cli::{CommandError, Target};
use super::state::{State, age, first_line, is_called, short, tone};
use crate::output;
use crate::table::{Cell, OutputDevice, Tone, draw, duration};
use model::is_terminal;

#[derive(clap::Args)]
pub struct Tasks {
    #[command(flatten)]
    target: Target,
    /// Only tasks that are not over
    #[arg(long)]
    running: bool,
    /// Only tasks of this framework (its id, the end of its id, or its name)
    #[arg(long)]
    framework: Option<String>,
    /// Show complete ids and messages, regardless of the width
    #[arg(long, short)]
    wide: bool,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

/// Returns a result that a status has, as the text of a cell.
type ResultOf = fn(&v1::TaskStatus) -> Option<(String, Tone)>;

pub async fn tasks(args: Tasks) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    if args.json {
        output::json(String::from_utf8_lossy(&wire::json::encode(&state.tasks)));
        return Ok(());
    }
    let agents = state.agent_names();
    let wanted = |id: &str| match &args.framework {
        Some(given) => state.frameworks().any(|(f, _)| {
            let own = f.framework_info.id.as_ref().map_or("", |i| i.value.as_str());
            own == id && (is_called(own, given) || own.ends_with(given.as_str()) || f.framework_info.name == *given)
        }),
        None => true,
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let frameworks = state.framework_ids();
    let shown = state.all_tasks().filter(|task| !(args.running && is_terminal(task.state())));
    let shown: Vec<&v1::Task> = shown.filter(|task| wanted(&task.framework_id.value)).collect();
    let last = |task: &v1::Task, of: ResultOf| task.statuses.last().and_then(of);
    let kinds: [(&str, ResultOf); 2] = [("HEALTH", checks::health), ("CHECK", checks::check)];
    // A column that would be empty is left out.
    let results: Vec<(&str, ResultOf)> =
        kinds.into_iter().filter(|(_, of)| shown.iter().any(|task| last(task, *of).is_some())).collect();
    let row = |task: &v1::Task| -> Vec<Cell> {
        let (agent, framework) = (task.agent_id.value.as_str(), task.framework_id.value.as_str());
        let named = || agents.get(agent).cloned().unwrap_or_else(|| short(agent).to_owned());
        let mut row: Vec<Cell> = vec![
            task.task_id.value.as_str().into(),
            Cell::toned(task.state().as_str_name(), tone(task.state())),
            if args.wide { agent.into() } else { named().into() },
            if args.wide { framework.into() } else { frameworks.of(framework).into() },
            age(task, now).map(duration).unwrap_or_default().into(),
        ];
        for (_, of) in &results {
            row.push(last(task, *of).map_or_else(|| "".into(), |(text, tone)| Cell::toned(text, tone)));
        }
        row.push(last_message(task).into());
        row
    };
    let rows: Vec<Vec<Cell>> = shown.into_iter().map(row).collect();
    if rows.is_empty() {
        output::line("No tasks. Start one with: tepui run -- echo hello");
    } else {
        let mut header = vec!["TASK", "STATE", "AGENT", "FRAMEWORK", "TIME"];
        header.extend(results.iter().map(|(name, _)| *name));
        header.push("MESSAGE");
        output::print(draw(&header, &rows, OutputDevice::stdout().wide(args.wide)));
    }
    Ok(())
}

fn last_message(task: &v1::Task) -> String {
    let message = task.statuses.last().and_then(|status| status.message.clone()).unwrap_or_default();
    // Messages of the command executor begin with the same word, which is left out.
    first_line(message.strip_prefix("Command ").unwrap_or(&message)).into_owned()
}
