//! One check by a command in the container: it is prepared, run and asked for its exit status, which are three requests.
//! The code is pure.

use std::time::Duration;

use docker::{Answer, Error, Request};
use messages::v1;
use serde::Deserialize;

use crate::checks::Outcome;
use crate::core::Exit;

/// Where a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecStep {
    /// The command is prepared.
    Create,
    /// The command runs. The answer is a stream of its output.
    Start,
    /// The exit status is asked for.
    Inspect,
    /// The process is asked for, to be killed.
    Overdue,
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ExecAction {
    /// Send a request.
    Request(ExecStep, Request),
    /// Kill this process, in the pid namespace of the daemon.
    Kill(i32),
    /// The check is over.
    Done(Outcome),
}

/// The time that Docker has for each request besides the command itself.
pub const ASK: Duration = Duration::from_secs(5);

/// A check in progress.
#[derive(Debug)]
pub struct ExecCheck {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    #[serde(default)]
    running: bool,
    exit_code: Option<i32>,
    #[serde(default)]
    pid: i32,
}

impl ExecCheck {
    /// Begins a check. A command of the shell runs in that of the image.
    pub fn begin(container: &str, command: &v1::CommandInfo) -> (Self, Request) {
        let value = command.value.clone();
        let argv: Vec<String> = match command.shell() {
            true => ["/bin/sh".to_owned(), "-c".to_owned()].into_iter().chain(value).collect(),
            false => value.into_iter().chain(command.arguments.iter().cloned()).collect(),
        };
        let variables = command.environment.iter().flat_map(|environment| &environment.variables);
        let environment: Vec<String> =
            variables.map(|variable| format!("{}={}", variable.name, variable.value())).collect();
        (ExecCheck { id: String::new() }, Request::exec_create(container, &argv, &environment))
    }

    /// Handles an answer. What Docker does not answer is no result of the task's.
    pub fn on_reply(&mut self, step: ExecStep, reply: Result<Answer, Error>) -> Vec<ExecAction> {
        let answer = match reply {
            Ok(answer) => answer,
            Err(error) if error.is_transient() => return vec![ExecAction::Done(Outcome::Transient)],
            // The container has just ended, or the command is not in its image.
            Err(_) => return vec![ExecAction::Done(Outcome::NoResult)],
        };
        match step {
            ExecStep::Create => match serde_json::from_slice::<Created>(&answer.body) {
                Ok(created) => {
                    self.id = created.id;
                    vec![ExecAction::Request(ExecStep::Start, Request::exec_start(&self.id))]
                }
                Err(_) => vec![ExecAction::Done(Outcome::Transient)],
            },
            ExecStep::Start => vec![self.inspect(ExecStep::Inspect)],
            ExecStep::Inspect => match serde_json::from_slice::<Inspected>(&answer.body) {
                Ok(Inspected { running: false, exit_code: Some(code), .. }) => {
                    vec![ExecAction::Done(Outcome::Command(Exit::Status(code)))]
                }
                // The output has ended before the command.
                Ok(Inspected { running: true, .. }) => vec![self.inspect(ExecStep::Inspect)],
                _ => vec![ExecAction::Done(Outcome::Transient)],
            },
            ExecStep::Overdue => {
                let inspected = serde_json::from_slice::<Inspected>(&answer.body).ok();
                let process = inspected.filter(|process| process.running && process.pid > 0);
                process
                    .map(|process| ExecAction::Kill(process.pid))
                    .into_iter()
                    .chain([ExecAction::Done(Outcome::NoResult)])
                    .collect()
            }
        }
    }

    /// Ends a check that takes too long: Docker has no request for it, so its process is killed.
    pub fn on_overdue(&mut self) -> ExecAction {
        match self.id.is_empty() {
            true => ExecAction::Done(Outcome::Transient),
            false => self.inspect(ExecStep::Overdue),
        }
    }

    fn inspect(&self, step: ExecStep) -> ExecAction {
        ExecAction::Request(step, Request::exec_inspect(&self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Result<Answer, Error> {
        Ok(Answer { status: 200, body: body.into() })
    }

    fn started() -> ExecCheck {
        let command = v1::CommandInfo { value: Some("true".into()), ..Default::default() };
        let (mut check, _) = ExecCheck::begin("mesos-c", &command);
        let actions = check.on_reply(ExecStep::Create, answer(r#"{"Id":"e"}"#));
        assert_eq!(actions, [ExecAction::Request(ExecStep::Start, Request::exec_start("e"))]);
        check
    }

    #[test]
    fn a_command_is_asked_for_its_exit_status() {
        let mut check = started();
        let inspect = || ExecAction::Request(ExecStep::Inspect, Request::exec_inspect("e"));
        assert_eq!(check.on_reply(ExecStep::Start, answer("")), [inspect()]);
        assert_eq!(
            check.on_reply(ExecStep::Inspect, answer(r#"{"Running":true,"ExitCode":null,"Pid":7}"#)),
            [inspect()]
        );
        let done = check.on_reply(ExecStep::Inspect, answer(r#"{"Running":false,"ExitCode":3,"Pid":7}"#));
        assert_eq!(done, [ExecAction::Done(Outcome::Command(Exit::Status(3)))]);
    }

    #[test]
    fn a_command_that_hangs_is_killed() {
        let mut check = started();
        assert_eq!(check.on_overdue(), ExecAction::Request(ExecStep::Overdue, Request::exec_inspect("e")));
        let actions = check.on_reply(ExecStep::Overdue, answer(r#"{"Running":true,"ExitCode":null,"Pid":7}"#));
        assert_eq!(actions, [ExecAction::Kill(7), ExecAction::Done(Outcome::NoResult)]);
    }

    #[test]
    fn a_daemon_that_is_away_says_nothing_about_the_task() {
        let mut check = started();
        let broken = Err(Error::Broken(std::io::ErrorKind::ConnectionReset.into()));
        assert_eq!(check.on_reply(ExecStep::Start, broken), [ExecAction::Done(Outcome::Transient)]);
        let refused = Err(Error::Refused { status: 409, message: "is not running".into() });
        assert_eq!(started().on_reply(ExecStep::Start, refused), [ExecAction::Done(Outcome::NoResult)]);
    }
}
