//! LAUNCH_GROUP, and the answers to launches.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use messages::v1;
use messages::v1::TaskState;
use validation::container_labels::ContainerLabels;

use super::actions::{Action, Key, Purpose, Reply, Timer};
use super::container::{Container, Launch};
use super::executor::{DefaultExecutor, RETRY};
use super::launch_call::launch_call;
use crate::checks::{self, Checks};
use crate::core::Clock;

impl DefaultExecutor {
    /// Launches the tasks of a group in their order. A task that is there already is left alone. The launches are sent
    /// before the updates of all tasks, so that the agent starts containers while it handles the updates.
    pub(super) fn on_launch_group(&mut self, group: v1::TaskGroupInfo, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(parent) = self.parent.clone().filter(|_| self.subscribed && !self.shutting_down && !self.gave_up)
        else {
            return self.drop_group(&group, clock);
        };
        let number = self.next_number();
        let (mut actions, mut updates) = (Vec::new(), Vec::new());
        for task in group.tasks {
            if self.containers.values().any(|container| container.task.task_id == task.task_id) {
                actions
                    .push(Action::Log(format!("task '{}' was launched before", model::visible(&task.task_id.value))));
                continue;
            }
            let key = Key(self.next_number());
            let id = v1::ContainerId { value: uuid_text(clock.uuid()), parent: Some(Box::new(parent.clone())) };
            let invalid = checks::invalid(&task).or_else(|| not_in_a_group(&task));
            let container = Container {
                id,
                task,
                group: number,
                launch: invalid.map_or(Launch::Requested { repeated: false }, Launch::Refused),
                acknowledged: false,
                kill: None,
                last_status: v1::TaskStatus::default(),
                checks: Checks::default(),
                probing: BTreeSet::new(),
                command_checks: BTreeMap::new(),
            };
            self.containers.insert(key, container);
            updates.extend(self.update_container(key, TaskState::TaskStarting, clock));
            // The end of a task that the agent never launched comes by its answer to a wait, as for one that it refuses.
            let refused = matches!(self.containers.get(&key), Some(Container { launch: Launch::Refused(_), .. }));
            actions.extend(if refused { self.request_wait(key) } else { self.request_launch(key) });
        }
        actions.extend(updates);
        actions
    }

    /// Reports a group that cannot be launched now.
    fn drop_group(&mut self, group: &v1::TaskGroupInfo, clock: &mut dyn Clock) -> Vec<Action> {
        let state = if self.partition_aware { TaskState::TaskDropped } else { TaskState::TaskLost };
        let mut actions = Vec::new();
        for task in &group.tasks {
            let status = self.calls.status(task, state, clock);
            actions.push(self.update(status));
        }
        if self.containers.is_empty() {
            actions.extend(self.finish());
        }
        actions
    }

    /// Asks the agent to launch a container that it has not launched or refused. Without a subscription the request
    /// waits for the next one.
    pub(super) fn request_launch(&self, key: Key) -> Option<Action> {
        let container = self.containers.get(&key).filter(|_| self.subscribed)?;
        let Launch::Requested { .. } = container.launch else { return None };
        let call = launch_call(&container.task, &container.id, self.settings.container_ip.as_deref());
        Some(Action::Request(Purpose::Launch(key), Box::new(call)))
    }

    pub(super) fn on_launch_reply(&mut self, key: Key, reply: Reply, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(container) = self.containers.get_mut(&key) else { return Vec::new() };
        let Launch::Requested { repeated } = container.launch else { return Vec::new() };
        match reply {
            // The agent may have launched the container. The request is repeated with the same id, which the agent
            // answers with 202 if it has.
            Reply::Broken | Reply::Answered { status: 503, .. } => {
                container.launch = Launch::Requested { repeated: true };
                vec![Action::Arm(Timer::Launch(key), RETRY)]
            }
            Reply::Answered { status: 200, .. } => self.launched(key, clock),
            Reply::Answered { status: 202, .. } if repeated => self.launched(key, clock),
            Reply::Answered { body, .. } => {
                container.launch = Launch::Refused(String::from_utf8_lossy(&body).into_owned());
                self.request_wait(key).into_iter().collect()
            }
        }
    }

    fn launched(&mut self, key: Key, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(container) = self.containers.get_mut(&key) else { return Vec::new() };
        container.launch = Launch::Launched;
        let link = Action::LinkSandbox(container.task.task_id.clone(), container.id.clone());
        let mut actions = vec![link];
        if let Some(kill) = &mut container.kill {
            // A signal before the launch reached nobody.
            kill.confirmed = false;
            actions.extend(self.request_kill(key));
            actions.extend(self.request_wait(key));
            return actions;
        }
        container.checks = Checks::new(&container.task, clock.elapsed());
        let limit = container.task.max_completion_time;
        let probes = container.checks.first_probes(&container.task);
        actions.extend(self.update_container(key, TaskState::TaskRunning, clock));
        actions.extend(self.request_wait(key));
        if let Some(limit) = limit {
            actions.push(Action::Arm(Timer::MaxCompletion(key), model::duration_from_proto(&limit)));
        }
        actions.extend(probes.into_iter().map(|(checker, delay)| Action::Arm(Timer::Probe(key, checker), delay)));
        actions
    }
}

/// Returns a UUID in its usual form.
pub(super) fn uuid_text(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Returns why a task cannot have what its labels ask for in a group; `None` if it can. Masters of Mesos do not know the labels.
fn not_in_a_group(task: &v1::TaskInfo) -> Option<String> {
    let labels = ContainerLabels::of(task.labels.as_deref()).and_then(|labels| labels.refuse_for_executor());
    labels.err().map(|error| error.to_string())
}
