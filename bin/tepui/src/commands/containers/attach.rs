//! `tepui attach` connects this terminal to that of a task.

use std::process::ExitCode;

use messages::v1;
use tepui_client::{ContainerEnd, Error};
use tokio::task::JoinHandle;

use super::exec::{exit_code, with_advice};
use super::relay::{Ended, Forwarding, relay};
use super::target::TaskContainer;
use super::terminal::RawTerminal;
use crate::batch::signalled;
use crate::commands::cli::{CommandError, Master, Target};
use crate::commands::wait::{code, end_of_task};
use crate::output;
use crate::signals::Cancel;

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
    // A container may be forgotten as soon as its output has ended.
    let wait = target.id.parent.is_some().then(|| {
        let (agent, id) = (target.agent.clone(), target.id.clone());
        tokio::spawn(async move { agent.wait_container(id).await })
    });
    let mut cancel = Cancel::listen();
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
    let ended = relay(&mut output, input, forwarding, &mut cancel).await;
    drop(raw);
    match ended? {
        Ended::Signal(signal) => Ok(ExitCode::from(signalled(signal))),
        Ended::Detached => {
            output::write_stderr("");
            output::write_stderr("detached; the task goes on");
            Ok(ExitCode::SUCCESS)
        }
        Ended::Output => tokio::select! {
            code = code_at_end(&args.target.master, &target.task, wait) => code,
            signal = cancel.next() => Ok(ExitCode::from(signalled(signal))),
        },
    }
}

/// Returns the exit code of a task whose output has ended. The agent knows how the container of a task of a pod has ended. That
/// of any other task is its executor's, which ends later and with a status of its own, so the master is asked for the task.
async fn code_at_end(
    master: &Master,
    task: &v1::Task,
    wait: Option<JoinHandle<Result<ContainerEnd, Error>>>,
) -> Result<ExitCode, CommandError> {
    if let Some(wait) = wait {
        match wait.await {
            Ok(Ok(end)) => return Ok(exit_code(&end)),
            // The agent has forgotten the container; the update of the task is on its way.
            Ok(Err(Error::Status { status: 404, .. })) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(error) => {
                return Err(CommandError::message(format!("the wait for the task ended by itself: {error}")));
            }
        }
    }
    let task = end_of_task(master, task).await?;
    Ok(ExitCode::from(code(&task)))
}
