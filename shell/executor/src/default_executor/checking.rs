//! The checks and health checks of tasks. Ports are probed by the shell, in the network that the group shares; commands run
//! in nested containers of the task's.

use messages::v1;
use messages::v1::TaskState;

use super::actions::{Action, Key, Purpose, Reply, Timer};
use super::command_check::{CommandCheck, Next};
use super::container::Container;
use super::executor::DefaultExecutor;
use crate::checks::{Checker, Outcome, Probe};
use crate::core::Clock;

impl DefaultExecutor {
    /// Begins a probe that is due. A task that is being killed, and every task while the agent is away, is not probed.
    pub(super) fn start_probe(&mut self, key: Key, checker: Checker, clock: &mut dyn Clock) -> Vec<Action> {
        let subscribed = self.subscribed;
        let Some(container) = self.containers.get_mut(&key).filter(|c| subscribed && c.is_running()) else {
            return Vec::new();
        };
        match container.checks.probe(&container.task, checker) {
            None => Vec::new(),
            Some((Probe::Command(command), timeout)) => {
                let command = with_environment_of(&container.task, *command);
                let check = container.command_checks.entry(checker).or_insert_with(CommandCheck::new);
                let next = check.begin(&container.id, command, clock);
                let mut actions = vec![Action::Arm(Timer::CheckTimeout(key, checker), timeout)];
                actions.extend(self.check_continues(key, checker, next, clock));
                actions
            }
            Some((probe, timeout)) => {
                container.probing.insert(checker);
                vec![Action::Probe(key, checker, probe, timeout)]
            }
        }
    }

    /// Probes at once after the agent has returned.
    pub(super) fn resume_checks(&self, key: Key) -> Vec<Action> {
        let Some(container) = self.containers.get(&key).filter(|container| container.is_running()) else {
            return Vec::new();
        };
        let probes = container.checks.checkers(&container.task).into_iter();
        // The result of a probe in progress is still to come.
        let idle = probes.filter(|checker| !container.probing.contains(checker));
        idle.map(|checker| Action::Arm(Timer::Probe(key, checker), std::time::Duration::ZERO)).collect()
    }

    /// Ends the checks of a task that is being killed.
    pub(super) fn cancel_checks(&mut self, key: Key) -> Vec<Action> {
        let Some(container) = self.containers.get_mut(&key) else { return Vec::new() };
        let used = container.command_checks.values_mut().map(CommandCheck::stop).filter(|stopped| *stopped).count();
        if used == 0 { Vec::new() } else { cancel_requests(key, container) }
    }

    pub(super) fn on_check_reply(
        &mut self,
        key: Key,
        checker: Checker,
        purpose: Purpose,
        reply: &Reply,
        clock: &mut dyn Clock,
    ) -> Vec<Action> {
        let Some(container) = self.containers.get_mut(&key) else { return Vec::new() };
        let Some(check) = container.command_checks.get_mut(&checker) else { return Vec::new() };
        let next = check.on_reply(&container.id, purpose, reply, clock);
        self.check_continues(key, checker, next, clock)
    }

    pub(super) fn on_check_timeout(&mut self, key: Key, checker: Checker, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(container) = self.containers.get_mut(&key) else { return Vec::new() };
        let Some(check) = container.command_checks.get_mut(&checker) else { return Vec::new() };
        let Some(outcome) = check.on_timeout() else { return Vec::new() };
        let task = model::visible(&container.task.task_id.value).to_string();
        let mut actions = check_requests(key, checker).map(Action::Cancel).to_vec();
        actions.push(Action::Log(format!("a check of task '{task}' took too long")));
        actions.extend(self.on_probed(key, checker, outcome, clock));
        actions
    }

    fn check_continues(&mut self, key: Key, checker: Checker, next: Next, clock: &mut dyn Clock) -> Vec<Action> {
        let [remove, run, wait] = check_requests(key, checker);
        match next {
            Next::Nothing => Vec::new(),
            Next::Remove(call) => vec![Action::Request(remove, call)],
            Next::Run(call) => vec![Action::Request(run, call)],
            Next::Wait(call) => vec![Action::Request(wait, call)],
            Next::Report(outcome) => self.on_probed(key, checker, outcome, clock),
        }
    }

    /// Handles the result of a probe, and schedules the next one after the interval.
    pub fn on_probed(&mut self, key: Key, checker: Checker, outcome: Outcome, clock: &mut dyn Clock) -> Vec<Action> {
        let subscribed = self.subscribed;
        let Some(container) = self.containers.get_mut(&key) else { return Vec::new() };
        container.probing.remove(&checker);
        if !subscribed || !container.is_running() {
            return Vec::new();
        }
        let verdict = container.checks.handle(&container.task, checker, outcome, clock.elapsed());
        let Some(verdict) = verdict else { return Vec::new() };
        let mut actions = Vec::new();
        if let Some(reason) = verdict.reason {
            // Every other field is that of the last update.
            let status = &mut container.last_status;
            status.state = TaskState::TaskRunning.into();
            status.reason = Some(reason.into());
            status.timestamp = Some(clock.now());
            status.uuid = Some(clock.uuid().to_vec());
            match checker {
                Checker::Check => status.check_status = container.checks.check_status.map(Box::new),
                Checker::Health | Checker::Named(_) => {
                    status.healthy = container.checks.healthy(&container.task);
                    status.labels = container.checks.labels();
                }
            }
            let status = status.clone();
            actions.push(self.update(status));
        }
        if verdict.is_fatal {
            self.unhealthy = true;
            actions.extend(self.kill_by_policy(key, clock));
        } else {
            actions.push(Action::Arm(Timer::Probe(key, checker), verdict.interval));
        }
        actions
    }
}

fn check_requests(key: Key, checker: Checker) -> [Purpose; 3] {
    [Purpose::RemoveCheck(key, checker), Purpose::RunCheck(key, checker), Purpose::WaitCheck(key, checker)]
}

/// Returns the actions that close the connections of all checks of a container.
pub(super) fn cancel_requests(key: Key, container: &Container) -> Vec<Action> {
    let checkers = container.command_checks.keys().copied();
    checkers.flat_map(|checker| check_requests(key, checker)).map(Action::Cancel).collect()
}

/// Returns the command of a check with the variables of the task's command below its own.
fn with_environment_of(task: &v1::TaskInfo, mut command: v1::CommandInfo) -> v1::CommandInfo {
    let of_task = task.command.as_ref().and_then(|command| command.environment.as_ref());
    let mut variables = of_task.map(|environment| environment.variables.clone()).unwrap_or_default();
    let own = command.environment.take().map(|environment| environment.variables).unwrap_or_default();
    variables.retain(|variable| !own.iter().any(|other| other.name == variable.name));
    variables.extend(own);
    command.environment = (!variables.is_empty()).then(|| Box::new(v1::Environment { variables }));
    command
}
