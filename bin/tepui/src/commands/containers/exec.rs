//! `tepui exec` runs a command in the container of a task, beside the task.

use std::io::IsTerminal;
use std::process::ExitCode;

use messages::v1;
use tepui_client::{ContainerEnd, Error};

use super::relay::{Ended, Forwarding, relay};
use super::session::Session;
use super::target::TaskContainer;
use super::terminal::{self, RawTerminal};
use crate::batch::signalled;
use crate::commands::cli::{CommandError, Target};
use crate::output;
use crate::signals::Cancel;

#[derive(clap::Args)]
#[command(after_help = "\
The command runs on the agent of the task, with its files, its network, its user
and its limits. Its exit code is passed on (128 plus the number of a signal that
ended it). If this command ends before, the agent ends the other one.

Examples:
  tepui exec web.1 -- ls -l                  A program and its arguments
  tepui exec web.1 -- 'ps | grep nginx'      One word is a shell command line
  tepui exec -it web.1 -- bash               A shell in a terminal
  tepui exec -i web.1 -- 'cat > f' < file    With input")]
pub struct Exec {
    #[command(flatten)]
    target: Target,
    /// Pass stdin on to the command
    #[arg(long, short)]
    interactive: bool,
    /// Run the command in a terminal
    #[arg(long, short)]
    tty: bool,
    /// The user to run as [default: the user of the task]
    #[arg(long, short)]
    user: Option<String>,
    /// The task: its id, or a unique part of it
    task: String,
    /// The command: one word is a shell command line, several are a program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the command and returns its exit code.
///
/// # Errors
///
/// Fails if there is no such task, or its agent cannot run the command.
pub async fn exec(args: Exec) -> Result<ExitCode, CommandError> {
    if args.tty && args.interactive && !std::io::stdin().is_terminal() {
        return Err(CommandError::message("stdin is no terminal: leave out --tty (-t), or --interactive (-i)"));
    }
    let target = TaskContainer::find(&args.target.master, &args.task).await?;
    let container = args.tty.then(|| v1::ContainerInfo {
        r#type: v1::container_info::Type::Mesos.into(),
        tty_info: Some(Box::new(v1::TtyInfo { window_size: terminal::size() })),
        ..Default::default()
    });
    let command = v1::CommandInfo { user: args.user.clone(), ..command(&args.command) };
    let mut cancel = Cancel::listen();
    let mut session = Session::start(&target, command, container).await?;
    let ended = connect(&mut session, &target, &args, &mut cancel).await;
    match ended {
        Ok(Ended::Output | Ended::Detached) => Ok(exit_code(&session.finish().await?)),
        Ok(Ended::Signal(signal)) => {
            session.abandon().await;
            Ok(ExitCode::from(signalled(signal)))
        }
        Err(error) => {
            session.abandon().await;
            Err(error)
        }
    }
}

/// Connects this terminal to a session until it ends or a signal comes.
async fn connect(
    session: &mut Session,
    target: &TaskContainer,
    args: &Exec,
    cancel: &mut Cancel,
) -> Result<Ended, CommandError> {
    let input = target.agent.attach_input(session.id.clone()).await?;
    let forwarding = Forwarding { stdin: args.interactive, terminal: args.tty, detaches: false };
    let raw = match args.tty && args.interactive {
        true => {
            RawTerminal::enter().map_err(|source| CommandError::Io { doing: "use the terminal".to_owned(), source })?
        }
        false => None,
    };
    let ended = relay(&mut session.output, Some(input), forwarding, cancel).await;
    drop(raw);
    Ok(ended?)
}

/// Returns the command of words as people write them.
pub fn command(words: &[String]) -> v1::CommandInfo {
    let shell = words.len() == 1;
    v1::CommandInfo {
        value: words.first().cloned(),
        shell: Some(shell),
        arguments: if shell { Vec::new() } else { words.to_vec() },
        ..Default::default()
    }
}

/// Returns the exit code of a command that has ended in a container, and prints why it is unknown.
pub fn exit_code(end: &ContainerEnd) -> ExitCode {
    let Some(status) = end.exit_status else {
        let reason = end.message.as_deref().unwrap_or("its agent does not know its exit status");
        output::write_stderr(format_args!("tepui: the command has ended: {reason}"));
        return ExitCode::FAILURE;
    };
    ExitCode::from(shell_code(status))
}

/// Returns the exit code of a wait status (wait(2)), as a shell reports it.
fn shell_code(status: i32) -> u8 {
    match status & 0x7f {
        0 => u8::try_from(status >> 8 & 0xff).unwrap_or(u8::MAX),
        signal => signalled(signal),
    }
}

/// Adds what to do to the refusals that people meet.
pub fn with_advice(error: Error) -> CommandError {
    let Error::Status { status, body, .. } = &error else { return error.into() };
    let advice = match (status, body.as_str()) {
        (_, body) if body.contains("switchboard server was disabled") => {
            "the task has no terminal, so its output goes to files: read them with `tepui logs -f TASK`, or start a shell \
             beside it with `tepui exec -it TASK -- sh`"
        }
        (_, body) if body.contains("Nested containers are not supported") => {
            "the task runs in the Docker containerizer, which has no nested containers: use `docker exec` on its agent"
        }
        (404, _) | (400, "") => "the task has just ended, or it is not ready yet: see `tepui tasks`",
        (501, _) => "the agent is too old for it",
        _ => return error.into(),
    };
    CommandError::WithAdvice(error, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        let check = |status: i32, expect: u8| assert_eq!(shell_code(status), expect, "{status}");
        check(0, 0);
        check(3 << 8, 3);
        check(255 << 8, 255);
        check(9, 137);
        check(11 | 0x80, 139);
    }
}
