//! `tepui attach` connects this terminal to that of a task.

use std::process::ExitCode;

use super::exec::{exit_code, with_advice};
use super::relay::{Ended, Forwarding, relay};
use super::target::TaskContainer;
use super::terminal::RawTerminal;
use crate::batch::signalled;
use crate::commands::cli::{CommandError, Target};
use crate::output;

#[derive(clap::Args)]
#[command(after_help = "\
The task must have a terminal (its ContainerInfo has a tty_info). Its output is
shown from now on, and what is typed goes to it. Ctrl-P Ctrl-Q detaches; the task
goes on. At the end of the task, its exit code is passed on.")]
pub struct Attach {
    #[command(flatten)]
    target: Target,
    /// Only show the output
    #[arg(long)]
    no_stdin: bool,
    /// The task: its id, or a unique part of it
    task: String,
}

/// Connects to the task until it ends or the user detaches.
///
/// # Errors
///
/// Fails if there is no such task, or it has no terminal.
pub async fn attach(args: Attach) -> Result<ExitCode, CommandError> {
    let target = TaskContainer::find(&args.target.master, &args.task).await?;
    let mut output = target.agent.attach_output(target.id.clone()).await.map_err(with_advice)?;
    let input = match args.no_stdin {
        true => None,
        false => Some(target.agent.attach_input(target.id.clone()).await?),
    };
    let forwarding = Forwarding { stdin: true, terminal: target.has_terminal(), detaches: true };
    let raw = match forwarding.terminal && !args.no_stdin {
        true => {
            RawTerminal::enter().map_err(|source| CommandError::Io { doing: "use the terminal".to_owned(), source })?
        }
        false => None,
    };
    let ended = relay(&mut output, input, forwarding).await;
    drop(raw);
    match ended? {
        Ended::Signal(signal) => Ok(ExitCode::from(signalled(signal))),
        Ended::Detached => {
            output::write_stderr("");
            output::write_stderr("detached; the task goes on");
            Ok(ExitCode::SUCCESS)
        }
        Ended::Output => match target.agent.wait_container(target.id).await {
            Ok(end) => Ok(exit_code(&end)),
            // The agent forgets the container of a command task at its end; `tepui wait` has its exit code.
            Err(tepui_client::Error::Status { status: 404, .. }) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error.into()),
        },
    }
}
