//! The ends of containers, and their consequences for the group.

use messages::v1;
use messages::v1::TaskState;
use messages::v1::agent::response::WaitNestedContainer;
use messages::v1::agent::{Call, Response, call};
use messages::v1::task_status::Reason;
use model::describe_wait_status;
use wire::Limits;

use super::actions::{Action, Key, Purpose, Reply, Timer};
use super::container::{Container, Launch};
use super::executor::{DefaultExecutor, RETRY};
use crate::core::{Clock, DEFAULT_GRACE};

impl DefaultExecutor {
    /// Asks the agent for the end of a container. Without a subscription the request waits for the next one.
    pub(super) fn request_wait(&self, key: Key) -> Option<Action> {
        let container = self.containers.get(&key).filter(|_| self.subscribed)?;
        Some(Action::Request(Purpose::Wait(key), Box::new(wait_call(&container.id))))
    }

    pub(super) fn on_wait_reply(&mut self, key: Key, reply: Reply, clock: &mut dyn Clock) -> Vec<Action> {
        let ended = match reply {
            Reply::Broken | Reply::Answered { status: 503, .. } => {
                return vec![Action::Arm(Timer::Wait(key), RETRY)];
            }
            Reply::Answered { status: 404, .. } => None,
            Reply::Answered { status: 200, body } => match decode_wait(&body) {
                Some(ended) => Some(ended),
                None => return self.give_up("the agent's answer to a wait cannot be decoded"),
            },
            Reply::Answered { status, body } => {
                let body = String::from_utf8_lossy(&body);
                return self.give_up(&format!("the agent answered {status} to a wait: {}", model::visible(&body)));
            }
        };
        let Some(container) = self.containers.remove(&key) else { return Vec::new() };
        self.terminated(key, &container, ended, clock)
    }

    /// Reports the end of a task. A task that has failed or was killed takes its group along.
    fn terminated(
        &mut self,
        key: Key,
        container: &Container,
        ended: Option<WaitNestedContainer>,
        clock: &mut dyn Clock,
    ) -> Vec<Action> {
        let termination = Termination::of(container, ended);
        let mut status = self.status(container, termination.state, clock);
        status.message = termination.message;
        status.reason = termination.reason.map(Into::into);
        status.limitation = termination.limitation;
        if self.unhealthy {
            status.healthy = Some(false);
            status.labels = container.checks.labels();
        }
        let state = termination.state;
        let mut actions = cancel_all(key, container);
        actions.push(self.update(status));
        let takes_group = matches!(state, TaskState::TaskFailed | TaskState::TaskKilled);
        if takes_group && !self.shutting_down && self.killed_groups.insert(container.group) {
            actions.extend(self.kill_group(container.group, clock));
        }
        if !self.containers.values().any(|other| other.group == container.group) {
            self.killed_groups.remove(&container.group);
        }
        if self.containers.is_empty() {
            actions.extend(self.finish());
        }
        actions
    }

    fn kill_group(&mut self, group: u64, clock: &mut dyn Clock) -> Vec<Action> {
        let members = self.containers.iter().filter(|(_, container)| container.group == group);
        let keys: Vec<Key> = members.map(|(key, _)| *key).collect();
        keys.into_iter().flat_map(|key| self.kill(key, DEFAULT_GRACE, false, clock)).collect()
    }
}

/// Closes the connections of a container that is gone, except those of checks, which are closed with them.
fn cancel_all(key: Key, container: &Container) -> Vec<Action> {
    let mut actions = vec![Action::Cancel(Purpose::Launch(key)), Action::Cancel(Purpose::Kill(key))];
    actions.extend(super::checking::cancel_requests(key, container));
    actions
}

/// Returns the WAIT_NESTED_CONTAINER call of a container.
#[allow(deprecated, reason = "agents of Mesos before 1.5 know this spelling only")]
pub(super) fn wait_call(id: &v1::ContainerId) -> Call {
    let wait = call::WaitNestedContainer { container_id: id.clone() };
    let kind = Some(call::Type::WaitNestedContainer.into());
    Call { r#type: kind, wait_nested_container: Some(Box::new(wait)), ..Default::default() }
}

/// Returns the answer to a WAIT_NESTED_CONTAINER call.
pub(super) fn decode_wait(body: &[u8]) -> Option<WaitNestedContainer> {
    let response: Response = wire::decode(body, &Limits::default()).ok()?;
    response.wait_nested_container.map(|wait| *wait)
}

/// The contents of a task's terminal update.
#[derive(Debug, PartialEq)]
struct Termination {
    state: TaskState,
    reason: Option<Reason>,
    message: Option<String>,
    limitation: Option<Box<v1::TaskResourceLimitation>>,
}

impl Termination {
    /// Decides about the end of a container. `ended` is the agent's answer, `None` if the agent does not know the
    /// container. The agent knows more about limits, so its state and reason replace those of the exit.
    fn of(container: &Container, ended: Option<WaitNestedContainer>) -> Self {
        let launch_error = match &container.launch {
            Launch::Refused(reason) => Some(reason.clone()),
            Launch::Requested { .. } | Launch::Launched => None,
        };
        let was_killed = container.kill.is_some_and(|kill| !kill.by_completion_time);
        let by_completion_time = container.kill.is_some_and(|kill| kill.by_completion_time);
        let plain = |state, message| Termination { state, reason: None, message, limitation: None };
        let Some(ended) = ended else {
            if was_killed {
                return plain(TaskState::TaskKilled, None);
            }
            let unknown = || "Unable to retrieve command's termination information".to_owned();
            return plain(TaskState::TaskFailed, Some(launch_error.unwrap_or_else(unknown)));
        };
        let mut termination = match ended.exit_status {
            None => {
                let unknown = || "Command terminated with unknown status".to_owned();
                plain(TaskState::TaskFailed, Some(launch_error.unwrap_or_else(unknown)))
            }
            Some(status) => {
                let state = match status {
                    _ if by_completion_time => TaskState::TaskFailed,
                    _ if was_killed => TaskState::TaskKilled,
                    0 => TaskState::TaskFinished,
                    _ => TaskState::TaskFailed,
                };
                plain(state, Some(format!("Command {}", describe_wait_status(status))))
            }
        };
        if by_completion_time && ended.exit_status.is_some() {
            termination.reason = Some(Reason::MaxCompletionTimeReached);
        }
        // An agent that reports a state that ends nothing is wrong about it.
        if let Some(state) =
            ended.state.and_then(|state| TaskState::try_from(state).ok()).filter(|s| model::is_terminal(*s))
        {
            termination.state = state;
        }
        if let Some(reason) = ended.reason.and_then(|reason| Reason::try_from(reason).ok()) {
            termination.reason = Some(reason);
        }
        if let Some(more) = ended.message {
            let message = termination.message.take().map(|message| format!("{message}: {more}"));
            termination.message = Some(message.unwrap_or(more));
        }
        termination.limitation = ended.limitation;
        termination
    }
}
