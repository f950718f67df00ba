//! The command `tepui explain`.

use resources::Resources;

use super::eligibility::{Eligibility, ExplainQuery};
use super::{eligibility, failures, framework, task};
use crate::commands::cli::{CommandError, Target};
use crate::commands::find;
use crate::commands::operate::amounts;
use crate::commands::state::State;
use crate::output;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    #[command(flatten)]
    target: Target,
    /// The kind of object and its id, a unique part of the id, or its name. The kind can be omitted for tasks and
    /// frameworks
    #[arg(required = true, num_args = 1..=2, value_names = ["framework|role|task|agent", "WHICH"])]
    subject: Vec<String>,
    /// For a framework or an agent: only this role
    #[arg(long)]
    role: Option<String>,
    /// The resources that a waiting task needs, e.g. cpus:4,mem:8GB; shows where they would not fit
    #[arg(long, value_name = "RESOURCES", value_parser = amounts::resources)]
    needs: Option<Resources>,
    /// Print the master's answer about offers as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tepui explain framework spark   Which agents are not offered to it and why
  tepui explain role eng/web      The same for all frameworks of a role and below
  tepui explain framework spark --needs cpus:4,mem:8GB
                                  Why none of its tasks of that size starts
  tepui explain task web.1        What happened to the task
  tepui explain agent S3          To which frameworks an agent is not offered and why, and its failures";

pub async fn explain(args: Explain) -> Result<(), CommandError> {
    let (kind, subject) = match args.subject.as_slice() {
        [kind, subject] => (Some(kind.as_str()), subject.as_str()),
        [subject] => (None, subject.as_str()),
        _ => return Err(CommandError::message("name one thing to explain")),
    };
    let state = State::get(&args.target.master).await?;
    let query = match kind {
        Some("framework") => framework::query(&state, subject)?,
        Some("agent") => eligibility::agent(&args.target.master, &state, subject).await?,
        Some("role") => ExplainQuery { role: Some(subject.to_owned()), ..ExplainQuery::default() },
        Some("task") => return print(task::lines(&state, find::task(&state, subject)?)),
        Some(other) => {
            return Err(CommandError::message(format!(
                "'{other}' cannot be explained: framework, role, task or agent can"
            )));
        }
        // `tepui run --name x` creates a framework and a task with the same name; the task is meant.
        None if framework::find(&state, subject).is_none()
            || state.all_tasks().any(|task| task.task_id.value == subject) =>
        {
            return print(task::lines(&state, find::task(&state, subject)?));
        }
        None => framework::query(&state, subject)?,
    };
    let demand = args.needs.map(|needs| needs.to_string());
    let query = ExplainQuery { role: args.role.or(query.role), demand, ..query };
    let answer = Eligibility::ask(&args.target.master, &query).await?;
    if args.json {
        output::json(answer.json());
        return Ok(());
    }
    if kind == Some("agent") {
        let mut lines = answer.of_agent();
        lines.extend(failures::lines(answer.json()));
        return print(lines);
    }
    let mut lines = query.framework.as_deref().map(|id| framework::lines(&state, id)).unwrap_or_default();
    lines.extend(answer.lines(&query));
    print(lines)
}

fn print(lines: Vec<String>) -> Result<(), CommandError> {
    for line in lines {
        output::line(line);
    }
    Ok(())
}
