//! Kills with their grace periods, and the end of the executor.

use std::time::Duration;

use messages::v1::TaskState;
use messages::v1::agent::{Call, call};
use messages::v1::executor::event;

use super::actions::{Action, Key, Purpose, Reply, Timer};
use super::container::{Kill, Launch};
use super::executor::{DefaultExecutor, RETRY};
use crate::core::{ACKNOWLEDGEMENT_TIMEOUT, Clock, DEFAULT_GRACE};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

impl DefaultExecutor {
    pub(super) fn on_kill(&mut self, kill: &event::Kill, clock: &mut dyn Clock) -> Vec<Action> {
        if self.shutting_down {
            return Vec::new();
        }
        let named = self.containers.iter().find(|(_, container)| container.task.task_id == kill.task_id);
        let Some((key, container)) = named.map(|(key, container)| (*key, container)) else { return Vec::new() };
        let policy = kill.kill_policy.as_ref().or(container.task.kill_policy.as_ref());
        let grace = policy.and_then(|policy| policy.grace_period);
        self.kill(key, grace.as_ref().map_or(DEFAULT_GRACE, model::duration_from_proto), false, clock)
    }

    /// Kills a task by its own policy.
    pub(super) fn kill_by_policy(&mut self, key: Key, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(container) = self.containers.get(&key) else { return Vec::new() };
        let grace = container.task.kill_policy.as_ref().and_then(|policy| policy.grace_period);
        self.kill(key, grace.as_ref().map_or(DEFAULT_GRACE, model::duration_from_proto), false, clock)
    }

    pub(super) fn on_max_completion(&mut self, key: Key, clock: &mut dyn Clock) -> Vec<Action> {
        self.kill(key, Duration::ZERO, true, clock)
    }

    /// Begins to kill a task: SIGTERM now, SIGKILL after the grace period. A second kill changes nothing. A task whose
    /// launch is not answered is killed as well, which ends its launch.
    pub(super) fn kill(
        &mut self,
        key: Key,
        grace: Duration,
        by_completion_time: bool,
        clock: &mut dyn Clock,
    ) -> Vec<Action> {
        let Some(container) = self.containers.get_mut(&key).filter(|container| container.kill.is_none()) else {
            return Vec::new();
        };
        container.kill = Some(Kill { by_completion_time, escalated: false, confirmed: false });
        let mut actions = self.cancel_checks(key);
        if self.killing_state && !by_completion_time {
            actions.extend(self.update_container(key, TaskState::TaskKilling, clock));
        }
        actions.extend(self.request_kill(key));
        actions.push(Action::Arm(Timer::Grace(key), grace));
        actions
    }

    /// Sends the signal of a kill that the agent has not confirmed. Without a subscription the request waits for the
    /// next one.
    pub(super) fn request_kill(&self, key: Key) -> Option<Action> {
        let container = self.containers.get(&key).filter(|_| self.subscribed)?;
        let kill = container.kill.filter(|kill| !kill.confirmed)?;
        let kill = call::KillNestedContainer {
            container_id: container.id.clone(),
            signal: Some(if kill.escalated { SIGKILL } else { SIGTERM }),
        };
        let kind = Some(call::Type::KillNestedContainer.into());
        #[allow(deprecated)]
        let call = Call { r#type: kind, kill_nested_container: Some(Box::new(kill)), ..Default::default() };
        Some(Action::Request(Purpose::Kill(key), Box::new(call)))
    }

    pub(super) fn escalate(&mut self, key: Key) -> Vec<Action> {
        if let Some(kill) = self.containers.get_mut(&key).and_then(|container| container.kill.as_mut()) {
            kill.escalated = true;
            kill.confirmed = false;
        }
        self.request_kill(key).into_iter().collect()
    }

    pub(super) fn on_kill_reply(&mut self, key: Key, reply: &Reply) -> Vec<Action> {
        let Some(container) = self.containers.get_mut(&key) else { return Vec::new() };
        let Some(kill) = &mut container.kill else { return Vec::new() };
        match reply {
            Reply::Answered { status: 200, .. } => kill.confirmed = true,
            // The container has ended, which the wait reports, unless the agent does not know it yet.
            Reply::Answered { status: 404, .. } if container.launch == Launch::Launched => kill.confirmed = true,
            Reply::Answered { status: 404, .. } => return vec![Action::Arm(Timer::Kill(key), RETRY)],
            Reply::Answered { .. } | Reply::Broken if self.shutting_down => {
                return self.give_up("the agent does not kill a container");
            }
            Reply::Answered { .. } | Reply::Broken => return vec![Action::Arm(Timer::Kill(key), RETRY)],
        }
        Vec::new()
    }

    /// Handles SHUTDOWN: every task ends within the default grace period, whatever its policy is.
    pub(super) fn on_shutdown(&mut self, clock: &mut dyn Clock) -> Vec<Action> {
        if self.shutting_down {
            return Vec::new();
        }
        self.shutting_down = true;
        if self.containers.is_empty() || !self.subscribed {
            return vec![Action::Exit];
        }
        let keys: Vec<Key> = self.containers.keys().copied().collect();
        let mut actions = Vec::new();
        for key in keys {
            actions.extend(self.kill(key, DEFAULT_GRACE, false, clock));
        }
        actions.push(Action::Arm(Timer::Shutdown, self.settings.shutdown_grace));
        actions
    }

    /// Ends the executor after the last acknowledgement. The agent does not acknowledge updates of an executor that it
    /// shuts down.
    pub(super) fn finish(&mut self) -> Vec<Action> {
        if self.shutting_down || !self.calls.has_unacknowledged() {
            return vec![Action::Exit];
        }
        vec![Action::Arm(Timer::Acknowledgement, ACKNOWLEDGEMENT_TIMEOUT)]
    }

    /// Ends the executor although containers may run. The agent ends these with the executor and reports their tasks.
    pub(super) fn give_up(&mut self, reason: &str) -> Vec<Action> {
        self.gave_up = true;
        let mut actions = vec![Action::Log(format!("{reason}; the executor ends, and the agent ends its containers"))];
        actions.extend(self.finish());
        actions
    }
}
