//! One check by a command. Each probe runs in a nested container of the task's: the container of the previous probe is
//! removed, a session is launched, its output is read to the end, and the exit status is asked for (Mesos'
//! `src/checks/checker_process.cpp`).

use messages::v1;
use messages::v1::agent::{Call, call};

use super::actions::{Purpose, Reply};
use super::launching::uuid_text;
use super::waiting::{decode_wait, wait_call};
use crate::checks::Outcome;
use crate::core::{Clock, Exit};

const SIGKILL: i32 = 9;

/// The state of a check between and during its probes.
#[derive(Debug)]
pub struct CommandCheck {
    /// The container of the last probe, which the agent keeps until it is removed.
    last: Option<v1::ContainerId>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Idle,
    /// The container of the previous probe is being removed. This command comes next.
    Removing(Box<v1::CommandInfo>),
    Running,
    Waiting,
}

/// The next step of a probe.
#[derive(Debug)]
pub enum Next {
    /// Nothing follows.
    Nothing,
    /// Send REMOVE_NESTED_CONTAINER.
    Remove(Box<Call>),
    /// Send LAUNCH_NESTED_CONTAINER_SESSION.
    Run(Box<Call>),
    /// Send WAIT_NESTED_CONTAINER.
    Wait(Box<Call>),
    /// The probe is over.
    Report(Outcome),
}

impl CommandCheck {
    /// Makes a check before its first probe.
    pub fn new() -> Self {
        CommandCheck { last: None, step: Step::Idle }
    }

    /// Begins a probe in the container of the task.
    pub fn begin(&mut self, task: &v1::ContainerId, command: v1::CommandInfo, clock: &mut dyn Clock) -> Next {
        let Some(last) = &self.last else { return self.run(task, command, clock) };
        let remove = call::RemoveNestedContainer { container_id: last.clone() };
        self.step = Step::Removing(Box::new(command));
        let kind = Some(call::Type::RemoveNestedContainer.into());
        #[allow(deprecated)]
        let call = Call { r#type: kind, remove_nested_container: Some(Box::new(remove)), ..Default::default() };
        Next::Remove(Box::new(call))
    }

    fn run(&mut self, task: &v1::ContainerId, command: v1::CommandInfo, clock: &mut dyn Clock) -> Next {
        let value = format!("check-{}", uuid_text(clock.uuid()));
        let container_id = v1::ContainerId { value, parent: Some(Box::new(task.clone())) };
        self.last = Some(container_id.clone());
        self.step = Step::Running;
        let session =
            call::LaunchNestedContainerSession { container_id, command: Some(Box::new(command)), ..Default::default() };
        Next::Run(Box::new(Call {
            r#type: Some(call::Type::LaunchNestedContainerSession.into()),
            launch_nested_container_session: Some(Box::new(session)),
            ..Default::default()
        }))
    }

    /// Handles the reply to a request of the probe.
    pub fn on_reply(&mut self, task: &v1::ContainerId, purpose: Purpose, reply: &Reply, clock: &mut dyn Clock) -> Next {
        let step = std::mem::replace(&mut self.step, Step::Idle);
        match (step, purpose, reply) {
            (Step::Removing(command), Purpose::RemoveCheck(..), Reply::Answered { status: 200, .. }) => {
                self.run(task, *command, clock)
            }
            (Step::Running, Purpose::RunCheck(..), Reply::Answered { status: 200, .. }) => {
                let Some(last) = &self.last else { return Next::Report(Outcome::Transient) };
                self.step = Step::Waiting;
                Next::Wait(Box::new(wait_call(last)))
            }
            (Step::Waiting, Purpose::WaitCheck(..), Reply::Answered { status: 200, body }) => {
                Next::Report(outcome(body))
            }
            // The agent cannot run the command now, which says nothing about the task.
            (Step::Removing(_), Purpose::RemoveCheck(..), _)
            | (Step::Running, Purpose::RunCheck(..), _)
            | (Step::Waiting, Purpose::WaitCheck(..), _) => Next::Report(Outcome::Transient),
            // A reply to a request of an earlier probe.
            (step, ..) => {
                self.step = step;
                Next::Nothing
            }
        }
    }

    /// Handles the end of the time that the probe may take. Returns its outcome, or `None` if it is over already. The
    /// agent ends the command when the connection of its session is closed.
    pub fn on_timeout(&mut self) -> Option<Outcome> {
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Idle => None,
            Step::Removing(_) => Some(Outcome::Transient),
            Step::Running | Step::Waiting => Some(Outcome::NoResult),
        }
    }

    /// Ends the probe in progress without a result. Returns whether there was one.
    pub fn stop(&mut self) -> bool {
        !matches!(std::mem::replace(&mut self.step, Step::Idle), Step::Idle)
    }
}

/// Returns the outcome from the answer to the wait. A command that was killed was killed by the agent, for example with
/// its parent.
fn outcome(body: &[u8]) -> Outcome {
    let Some(ended) = decode_wait(body) else { return Outcome::Transient };
    let Some(status) = ended.exit_status else { return Outcome::NoResult };
    match status & 0x7f {
        0 => Outcome::Command(Exit::Status(status >> 8 & 0xff)),
        SIGKILL => Outcome::Transient,
        signal => Outcome::Command(Exit::Signal { signal, core: status & 0x80 != 0 }),
    }
}
