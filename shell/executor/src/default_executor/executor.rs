//! The decisions of the default executor about events, acknowledgements and timers. The code is pure: time and
//! randomness come from a [`Clock`], and everything else is an [`Action`].
//!
//! The behaviour and all texts are those of Mesos' `src/launcher/default_executor.cpp`, with these differences: a launch
//! whose answer is lost is repeated, a kill before the end of a launch is not forgotten, and a group that cannot be
//! launched is dropped without ending the process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messages::v1;
use messages::v1::executor::{Call, Event, event};
use messages::v1::framework_info::capability;
use messages::v1::{TaskState, framework_info::Capability};

use super::actions::{Action, Key, Purpose, Reply, Timer};
use super::container::{Container, Launch};
use crate::calls::Calls;
use crate::core::{ACKNOWLEDGEMENT_TIMEOUT, Clock};

/// The pause before a request is repeated.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The settings of the executor, which do not change.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The id of the framework.
    pub framework: String,
    /// The id of the executor.
    pub executor: String,
    /// The time within which the executor ends on SHUTDOWN.
    pub shutdown_grace: Duration,
    /// The wait for a restarting agent; `None` without checkpointing.
    pub recovery_timeout: Option<Duration>,
    /// The value of `MESOS_CONTAINER_IP` for the tasks.
    pub container_ip: Option<String>,
}

/// The state of a default executor.
#[derive(Debug)]
pub struct DefaultExecutor {
    pub(super) settings: Settings,
    pub(super) subscribed: bool,
    /// Whether the framework accepts TASK_KILLING.
    pub(super) killing_state: bool,
    /// Whether the framework accepts TASK_DROPPED.
    pub(super) partition_aware: bool,
    /// The container of this process, which is the parent of all others; `None` before the first SUBSCRIBED.
    pub(super) parent: Option<v1::ContainerId>,
    pub(super) agent: v1::AgentId,
    pub(super) containers: BTreeMap<Key, Container>,
    /// The groups of which a task has failed or was killed.
    pub(super) killed_groups: BTreeSet<u64>,
    /// The last number that was given to a container or a group.
    pub(super) last_number: u64,
    pub(super) calls: Calls,
    /// Whether a task was killed as unhealthy.
    pub(super) unhealthy: bool,
    pub(super) shutting_down: bool,
    /// Whether the executor ends with containers that it cannot look after any more.
    pub(super) gave_up: bool,
}

impl DefaultExecutor {
    /// Makes an executor without tasks.
    pub fn new(settings: Settings) -> Self {
        DefaultExecutor {
            calls: Calls::new(&settings.framework, &settings.executor),
            settings,
            subscribed: false,
            killing_state: false,
            partition_aware: false,
            parent: None,
            agent: v1::AgentId::default(),
            containers: BTreeMap::new(),
            killed_groups: BTreeSet::new(),
            last_number: 0,
            unhealthy: false,
            shutting_down: false,
            gave_up: false,
        }
    }

    /// Returns the SUBSCRIBE call with the tasks and updates that the agent may not know after its restart.
    pub fn subscribe(&self) -> Call {
        let tasks = self.containers.values().filter(|c| !c.acknowledged).map(|c| c.task.clone());
        self.calls.subscribe(tasks.collect())
    }

    /// Returns the HEARTBEAT call.
    pub fn heartbeat(&self) -> Call {
        self.calls.heartbeat()
    }

    /// Handles an event of the agent.
    pub fn on_event(&mut self, event: Event, clock: &mut dyn Clock) -> Vec<Action> {
        match event.r#type() {
            event::Type::Subscribed => event.subscribed.map(|s| self.on_subscribed(*s)).unwrap_or_default(),
            event::Type::LaunchGroup => match event.launch_group {
                Some(launch) => self.on_launch_group(launch.task_group, clock),
                None => Vec::new(),
            },
            event::Type::Launch => {
                let text = "a LAUNCH of a single task; the default executor runs groups, so it ends".to_owned();
                let mut actions = vec![Action::Log(text)];
                actions.extend(self.on_shutdown(clock));
                actions
            }
            event::Type::Kill => event.kill.map(|kill| self.on_kill(&kill, clock)).unwrap_or_default(),
            event::Type::Acknowledged => event.acknowledged.map(|a| self.on_acknowledged(&a)).unwrap_or_default(),
            event::Type::Shutdown => self.on_shutdown(clock),
            event::Type::Error | event::Type::Message | event::Type::Heartbeat | event::Type::Unknown => Vec::new(),
        }
    }

    /// Handles SUBSCRIBED. After a restart of the agent, everything that was in progress continues.
    fn on_subscribed(&mut self, subscribed: event::Subscribed) -> Vec<Action> {
        self.subscribed = true;
        let has = |wanted: capability::Type| {
            let capabilities = &subscribed.framework_info.capabilities;
            capabilities.iter().any(|c: &Capability| c.r#type() == wanted)
        };
        self.killing_state = has(capability::Type::TaskKillingState);
        self.partition_aware = has(capability::Type::PartitionAware);
        self.agent = subscribed.agent_info.id.unwrap_or_default();
        if let Some(id) = subscribed.container_id {
            self.parent = Some(*id);
        }
        let keys: Vec<Key> = self.containers.keys().copied().collect();
        let mut actions = Vec::new();
        for key in keys {
            let Some(container) = self.containers.get(&key) else { continue };
            match container.launch {
                Launch::Requested { .. } => actions.extend(self.request_launch(key)),
                Launch::Launched | Launch::Refused(_) => actions.extend(self.request_wait(key)),
            }
            actions.extend(self.request_kill(key));
            actions.extend(self.resume_checks(key));
        }
        actions
    }

    /// Handles the end of the event stream. An executor with checkpointing waits for the agent to return; its
    /// containers go on.
    pub fn on_disconnected(&mut self) -> Vec<Action> {
        self.subscribed = false;
        for container in self.containers.values_mut() {
            if let Launch::Requested { repeated } = &mut container.launch {
                *repeated = true;
            }
            for check in container.command_checks.values_mut() {
                check.stop();
            }
        }
        let then = match self.settings.recovery_timeout {
            Some(timeout) if !self.shutting_down => Action::Arm(Timer::Recovery, timeout),
            _ => Action::Exit,
        };
        vec![Action::CancelAll, then]
    }

    fn on_acknowledged(&mut self, acknowledged: &event::Acknowledged) -> Vec<Action> {
        self.calls.acknowledged(&acknowledged.uuid);
        let task = &acknowledged.task_id;
        self.containers.values_mut().filter(|c| c.task.task_id == *task).for_each(|c| c.acknowledged = true);
        let is_over = self.gave_up || self.containers.is_empty();
        if is_over && !self.calls.has_unacknowledged() { vec![Action::Exit] } else { Vec::new() }
    }

    /// Handles the reply to a request.
    pub fn on_reply(&mut self, purpose: Purpose, reply: Reply, clock: &mut dyn Clock) -> Vec<Action> {
        match purpose {
            Purpose::Launch(key) => self.on_launch_reply(key, reply, clock),
            Purpose::Wait(key) => self.on_wait_reply(key, reply, clock),
            Purpose::Kill(key) => self.on_kill_reply(key, &reply),
            Purpose::RemoveCheck(key, checker) | Purpose::RunCheck(key, checker) | Purpose::WaitCheck(key, checker) => {
                self.on_check_reply(key, checker, purpose, &reply, clock)
            }
        }
    }

    /// Handles a timer. A timer of a container that is gone has no effect.
    pub fn on_timer(&mut self, timer: Timer, clock: &mut dyn Clock) -> Vec<Action> {
        match timer {
            Timer::Launch(key) => self.request_launch(key).into_iter().collect(),
            Timer::Wait(key) => self.request_wait(key).into_iter().collect(),
            Timer::Kill(key) => self.request_kill(key).into_iter().collect(),
            Timer::Grace(key) => self.escalate(key),
            Timer::MaxCompletion(key) => self.on_max_completion(key, clock),
            Timer::Probe(key, checker) => self.start_probe(key, checker, clock),
            Timer::CheckTimeout(key, checker) => self.on_check_timeout(key, checker, clock),
            Timer::Recovery if !self.subscribed => vec![Action::Exit],
            // No agent can acknowledge now; the recovery timeout applies.
            Timer::Acknowledgement if !self.subscribed => vec![Action::Arm(timer, ACKNOWLEDGEMENT_TIMEOUT)],
            // The timer means nothing if a new group was launched meanwhile.
            Timer::Acknowledgement if self.gave_up || self.containers.is_empty() => vec![Action::Exit],
            Timer::Shutdown => vec![Action::Exit],
            Timer::Recovery | Timer::Acknowledgement => Vec::new(),
        }
    }

    /// Returns the next number for a container or a group.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Returns a status of the task of a container.
    pub(super) fn status(&self, container: &Container, state: TaskState, clock: &mut dyn Clock) -> v1::TaskStatus {
        let mut status = self.calls.status(&container.task, state, clock);
        let id = Some(Box::new(container.id.clone()));
        status.container_status = Some(Box::new(v1::ContainerStatus { container_id: id, ..Default::default() }));
        status
    }

    /// Sends a status of the task of a container and remembers it.
    pub(super) fn update_container(&mut self, key: Key, state: TaskState, clock: &mut dyn Clock) -> Option<Action> {
        let status = self.status(self.containers.get(&key)?, state, clock);
        self.containers.get_mut(&key)?.last_status = status.clone();
        Some(self.update(status))
    }

    /// Sends a status, which is kept until it is acknowledged.
    pub(super) fn update(&mut self, status: v1::TaskStatus) -> Action {
        Action::Send(Box::new(self.calls.update(status)))
    }
}
