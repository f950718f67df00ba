//! The command: what is asked of whom.

use resources::Resources;

use super::eligibility::{Eligibility, Question};
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
    /// What kind of thing, and which: an id, a unique part of it, or a name. The kind may be left out for tasks and
    /// frameworks
    #[arg(required = true, num_args = 1..=2, value_names = ["framework|role|task|agent", "WHICH"])]
    subject: Vec<String>,
    /// Of a framework or agent: only in this role
    #[arg(long)]
    role: Option<String>,
    /// What a task that waits asks for, e.g. cpus:4,mem:8GB: says where that would not fit
    #[arg(long, value_name = "RESOURCES", value_parser = amounts::resources)]
    needs: Option<Resources>,
    /// Print what the master says about offers as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tepui explain framework spark   Which agents are not offered to it, and why
  tepui explain role eng/web      The same for all frameworks of a role and below
  tepui explain framework spark --needs cpus:4,mem:8GB
                                  Why none of its tasks of that size starts
  tepui explain task web.1        What became of it
  tepui explain agent S3          To whom an agent is not offered, and why; how well it is";

pub async fn explain(args: Explain) -> Result<(), CommandError> {
    let (kind, subject) = match args.subject.as_slice() {
        [kind, subject] => (Some(kind.as_str()), subject.as_str()),
        [subject] => (None, subject.as_str()),
        _ => return Err(CommandError::message("name one thing to explain")),
    };
    let state = State::get(&args.target.master).await?;
    let question = match kind {
        Some("framework") => framework::question(&state, subject)?,
        Some("agent") => eligibility::agent(&args.target.master, &state, subject).await?,
        Some("role") => Question { role: Some(subject.to_owned()), ..Question::default() },
        Some("task") => return print(task::lines(&state, find::task(&state, subject)?)),
        Some(other) => {
            return Err(CommandError::message(format!(
                "'{other}' cannot be explained: framework, role, task or agent can"
            )));
        }
        // `tepui run --name x` makes a framework and a task of one name; the task is what people mean.
        None if framework::find(&state, subject).is_none()
            || state.all_tasks().any(|task| task.task_id.value == subject) =>
        {
            return print(task::lines(&state, find::task(&state, subject)?));
        }
        None => framework::question(&state, subject)?,
    };
    let demand = args.needs.map(|needs| needs.to_string());
    let question = Question { role: args.role.or(question.role), demand, ..question };
    let answer = Eligibility::ask(&args.target.master, &question).await?;
    if args.json {
        output::json(answer.json());
        return Ok(());
    }
    if kind == Some("agent") {
        let mut lines = answer.of_agent();
        lines.extend(failures::lines(answer.json()));
        return print(lines);
    }
    let mut lines = question.framework.as_deref().map(|id| framework::lines(&state, id)).unwrap_or_default();
    lines.extend(answer.lines(&question));
    print(lines)
}

fn print(lines: Vec<String>) -> Result<(), CommandError> {
    for line in lines {
        output::line(line);
    }
    Ok(())
}
