//! The decisions of a command executor about events, exits and timers. The code is pure: time and randomness come from
//! a [`Clock`], and everything else is an [`Action`].

use std::time::Duration;

use messages::v1;
use messages::v1::executor::{Call, Event, event};
use messages::v1::task_status::Reason;
use messages::v1::{TaskState, framework_info::capability};
use model::signal_name;

use crate::calls::Calls;
use crate::checks::{self, Checker, Checks, Outcome, Probe};

/// The time from SIGTERM to SIGKILL if neither the task nor the kill sets one (the default of Mesos' `Slave`).
pub const DEFAULT_GRACE: Duration = Duration::from_secs(3);

/// The time that the agent has for reporting a task that was killed for lack of memory. The agent knows the limit and
/// the usage.
const LIMITATION_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum wait for the last acknowledgement, as in Mesos. An agent that never acknowledges the terminal update
/// does not keep the container alive.
pub const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// An action for the loop. Actions are carried out in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send a call to the agent.
    Send(Box<Call>),
    /// Start the task.
    Start(Box<v1::TaskInfo>),
    /// Send SIGTERM to every process of the task.
    Terminate,
    /// Send SIGKILL until no process is left.
    Kill,
    /// Call `Executor::on_timer` after this time. A later action for the same timer replaces this one.
    Arm(Timer, Duration),
    /// Probe the task for at most this time, then call `Executor::on_probed`.
    Probe(Checker, Probe, Duration),
    /// End this process.
    Exit,
}

/// A timer of the executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The grace period after SIGTERM is over.
    Grace,
    /// The task has reached its `max_completion_time`.
    MaxCompletion,
    /// The agent has not returned within the recovery timeout.
    Recovery,
    /// The agent has not reported the lack of memory in time.
    Limitation,
    /// The next probe of the task is due.
    Probe(Checker),
    /// The terminal update has not been acknowledged in time.
    Acknowledgement,
}

/// The way in which a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The exit status.
    Status(i32),
    /// The signal that ended the process, and whether it dumped core.
    Signal { signal: i32, core: bool },
}

/// What runs a task, which the texts for people name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// A process of this executor.
    Command,
    /// A container of Docker.
    Docker,
}

impl Runner {
    fn noun(self) -> &'static str {
        match self {
            Runner::Command => "Command",
            Runner::Docker => "Container",
        }
    }

    fn adjective(self) -> &'static str {
        match self {
            Runner::Command => "command",
            Runner::Docker => "docker",
        }
    }
}

/// What every update of a task that runs in Docker says about its container.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContainerDetails {
    /// What Docker knows about the container, as JSON: the `data` of TASK_RUNNING, as in Mesos.
    pub inspection: Vec<u8>,
    /// Its addresses, if its network is not that of the agent.
    pub network: Option<v1::NetworkInfo>,
}

/// The memory limit that ended a container of Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimit {
    /// The limit in bytes; zero if it is unknown.
    pub bytes: u64,
}

/// The reason for which the executor terminates the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Termination {
    Killed,
    MaxCompletion,
}

/// The state of a command executor.
#[derive(Debug)]
pub struct Executor {
    calls: Calls,
    runner: Runner,
    /// The time from the first signal to SIGKILL if neither the task nor the kill sets one.
    default_grace: Duration,
    shutdown_grace: Duration,
    recovery_timeout: Option<Duration>,
    /// Whether the framework accepts TASK_KILLING.
    killing_state: bool,
    task: Option<v1::TaskInfo>,
    /// What updates say about a container of Docker that runs.
    details: Option<ContainerDetails>,
    /// Whether the task was launched and none of its updates has been acknowledged.
    task_unacknowledged: bool,
    running: bool,
    termination: Option<Termination>,
    /// The time of the first kill, and its grace period.
    grace: Option<(Duration, Duration)>,
    /// The exit of a task that was killed for lack of memory, which the agent reports first.
    out_of_memory: Option<Exit>,
    /// Whether the agent is away. An executor with checkpointing waits for it.
    disconnected: bool,
    checks: Checks,
    /// Whether the health check has ended the task.
    unhealthy: bool,
    terminal_sent: bool,
    shutdown: bool,
}

impl Executor {
    /// Makes an executor without a task. `shutdown_grace` is the time for the task to end on SHUTDOWN;
    /// `recovery_timeout` is the wait for a restarting agent, `None` without checkpointing.
    pub fn new(framework: &str, id: &str, shutdown_grace: Duration, recovery_timeout: Option<Duration>) -> Self {
        Executor {
            calls: Calls::new(framework, id),
            runner: Runner::Command,
            default_grace: DEFAULT_GRACE,
            shutdown_grace,
            recovery_timeout,
            killing_state: false,
            task: None,
            details: None,
            task_unacknowledged: false,
            running: false,
            termination: None,
            grace: None,
            out_of_memory: None,
            disconnected: false,
            checks: Checks::default(),
            unhealthy: false,
            terminal_sent: false,
            shutdown: false,
        }
    }

    /// Makes it the executor of a task in Docker. As in Mesos, the task has the time of a SHUTDOWN for ending on a kill,
    /// unless one is given.
    #[must_use]
    pub fn for_docker(mut self, default_grace: Option<Duration>) -> Self {
        self.runner = Runner::Docker;
        self.default_grace = default_grace.unwrap_or(self.shutdown_grace);
        self
    }

    /// Returns the SUBSCRIBE call with the task and updates that the agent may not know after its restart.
    pub fn subscribe(&self) -> Call {
        let tasks = self.task.iter().filter(|_| self.task_unacknowledged).cloned();
        self.calls.subscribe(tasks.collect())
    }

    /// Returns the HEARTBEAT call.
    pub fn heartbeat(&self) -> Call {
        self.calls.heartbeat()
    }

    /// Handles an event of the agent.
    pub fn on_event(&mut self, event: Event, clock: &mut dyn Clock) -> Vec<Action> {
        match event.r#type() {
            event::Type::Subscribed => self.on_subscribed(event),
            event::Type::Launch => match event.launch {
                Some(launch) => self.on_launch(launch.task, clock),
                None => Vec::new(),
            },
            event::Type::Kill => match event.kill {
                Some(kill) => self.on_kill(&kill, clock),
                None => Vec::new(),
            },
            event::Type::Acknowledged => match event.acknowledged {
                Some(acknowledged) => self.on_acknowledged(&acknowledged.uuid),
                None => Vec::new(),
            },
            event::Type::Shutdown => self.on_shutdown(clock),
            // After these events the agent is about to destroy the container, or expects no answer.
            event::Type::Error | event::Type::Message | event::Type::Heartbeat | event::Type::Unknown => Vec::new(),
            event::Type::LaunchGroup => Vec::new(),
        }
    }

    fn on_subscribed(&mut self, event: Event) -> Vec<Action> {
        self.disconnected = false;
        if let Some(subscribed) = event.subscribed {
            let wants = |c: &v1::framework_info::Capability| c.r#type() == capability::Type::TaskKillingState;
            self.killing_state = subscribed.framework_info.capabilities.iter().any(wants);
        }
        Vec::new()
    }

    fn on_launch(&mut self, task: v1::TaskInfo, clock: &mut dyn Clock) -> Vec<Action> {
        if self.task.is_some() {
            // The agent never launches a second task. Accepting one would hide the first.
            let status = self.calls.status(&task, TaskState::TaskFailed, clock);
            let message = format!("Attempted to run multiple tasks using a \"{}\" executor", self.runner.adjective());
            return vec![self.update(v1::TaskStatus { message: Some(message), ..status })];
        }
        let starting = self.calls.status(&task, TaskState::TaskStarting, clock);
        self.task = Some(task.clone());
        self.task_unacknowledged = true;
        if let Some(reason) = checks::invalid(&task) {
            return [vec![self.update(starting)], self.on_start_failed(&reason, clock)].concat();
        }
        vec![self.update(starting), Action::Start(Box::new(task))]
    }

    /// Handles the start of the task's container in Docker. A kill may have come before, which then takes effect.
    pub fn on_container_started(&mut self, details: ContainerDetails, clock: &mut dyn Clock) -> Vec<Action> {
        self.details = Some(details);
        match self.grace.filter(|_| self.termination.is_some()) {
            None => self.on_started(clock),
            Some((begun, grace)) => {
                self.running = true;
                let left = grace.saturating_sub(clock.elapsed().saturating_sub(begun));
                vec![Action::Terminate, Action::Arm(Timer::Grace, left)]
            }
        }
    }

    /// Handles the start of the task's process.
    pub fn on_started(&mut self, clock: &mut dyn Clock) -> Vec<Action> {
        self.running = true;
        let Some(task) = self.task.clone() else { return Vec::new() };
        let mut running = self.calls.status(&task, TaskState::TaskRunning, clock);
        running.data = self.details.as_mut().map(|details| std::mem::take(&mut details.inspection));
        let mut actions = vec![self.update(running)];
        if let Some(limit) = task.max_completion_time {
            actions.push(Action::Arm(Timer::MaxCompletion, model::duration_from_proto(&limit)));
        }
        actions.extend(self.begin_checks(clock));
        actions
    }

    /// Handles a task's process that could not be started.
    pub fn on_start_failed(&mut self, reason: &str, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(task) = self.task.clone().filter(|_| !self.terminal_sent) else { return Vec::new() };
        let state = match self.termination {
            Some(Termination::Killed) => TaskState::TaskKilled,
            _ => TaskState::TaskFailed,
        };
        let status = self.calls.status(&task, state, clock);
        let update = self.update(v1::TaskStatus { message: Some(reason.to_owned()), ..status });
        self.terminal_actions(update)
    }

    /// Handles the end of the task's first process. `out_of_memory` means that the kernel has killed a process of this
    /// container for lack of memory.
    pub fn on_exit(&mut self, exit: Exit, out_of_memory: bool, clock: &mut dyn Clock) -> Vec<Action> {
        self.running = false;
        if out_of_memory && exit != Exit::Status(0) && self.termination.is_none() {
            self.out_of_memory = Some(exit);
            return vec![Action::Arm(Timer::Limitation, LIMITATION_TIMEOUT)];
        }
        self.report(Some(exit), None, clock)
    }

    /// Handles the end of the task's container in Docker. `exit` is `None` if Docker does not say how it ended.
    pub fn on_container_ended(
        &mut self,
        exit: Option<Exit>,
        out_of_memory: Option<MemoryLimit>,
        clock: &mut dyn Clock,
    ) -> Vec<Action> {
        self.running = false;
        // A process of the container was killed, and the container may have gone on and succeeded.
        let limit = out_of_memory.filter(|_| exit != Some(Exit::Status(0)) && self.termination.is_none());
        self.report(exit, limit, clock)
    }

    fn report(&mut self, exit: Option<Exit>, limit: Option<MemoryLimit>, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(task) = self.task.clone() else { return Vec::new() };
        if self.terminal_sent {
            return Vec::new();
        }
        let state = match (self.termination, exit) {
            (_, None) => TaskState::TaskFailed,
            (Some(Termination::Killed), _) => TaskState::TaskKilled,
            (Some(Termination::MaxCompletion), _) => TaskState::TaskFailed,
            (None, Some(Exit::Status(0))) => TaskState::TaskFinished,
            (None, _) => TaskState::TaskFailed,
        };
        let mut status = self.calls.status(&task, state, clock);
        let noun = self.runner.noun();
        status.message = Some(match exit {
            None => "Failed to get exit status of container".to_owned(),
            Some(Exit::Status(status)) => format!("{noun} exited with status {status}"),
            Some(Exit::Signal { signal, core }) => {
                let core = if core { " (core dumped)" } else { "" };
                format!("{noun} terminated with signal {}{core}", signal_name(signal))
            }
        });
        if let Some(limit) = limit {
            add_memory_limit(&mut status, limit);
        }
        if self.out_of_memory.is_some() {
            status.reason = Some(Reason::ContainerLimitationMemory.into());
        }
        if self.unhealthy {
            status.healthy = Some(false);
            status.labels = self.checks.labels();
        }
        if self.termination == Some(Termination::MaxCompletion) {
            status.reason = Some(Reason::MaxCompletionTimeReached.into());
        }
        let update = self.update(status);
        self.terminal_actions(update)
    }

    fn terminal_actions(&mut self, update: Action) -> Vec<Action> {
        let mut actions = self.terminal(update);
        if self.shutdown {
            // The agent does not acknowledge updates of an executor that it shuts down.
            actions.push(Action::Exit);
        }
        actions
    }

    fn terminal(&mut self, update: Action) -> Vec<Action> {
        self.terminal_sent = true;
        vec![update, Action::Arm(Timer::Acknowledgement, ACKNOWLEDGEMENT_TIMEOUT)]
    }

    fn on_kill(&mut self, kill: &event::Kill, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(task) = self.task.clone().filter(|t| t.task_id == kill.task_id) else { return Vec::new() };
        let policy = kill.kill_policy.as_ref().or(task.kill_policy.as_ref());
        let grace = policy.and_then(|p| p.grace_period.as_ref()).map_or(self.default_grace, model::duration_from_proto);
        self.terminate(Termination::Killed, grace, clock)
    }

    fn on_shutdown(&mut self, clock: &mut dyn Clock) -> Vec<Action> {
        self.shutdown = true;
        // A container of Docker that is about to start is ended first.
        let is_starting = self.runner == Runner::Docker && self.task.is_some() && !self.terminal_sent;
        if !self.running && !is_starting {
            return vec![Action::Exit];
        }
        // The grace period ends a little before the agent destroys the container, so that the update is still sent.
        let grace = self.shutdown_grace.mul_f64(0.8);
        self.terminate(Termination::Killed, grace, clock)
    }

    fn terminate(&mut self, termination: Termination, grace: Duration, clock: &mut dyn Clock) -> Vec<Action> {
        if self.terminal_sent {
            return Vec::new();
        }
        if let Some((begun, earlier)) = self.grace {
            // A repeated kill may shorten the grace period (MESOS-8679: a kill that hangs must not hide later ones). It
            // never extends the period, so that a scheduler that repeats its kill does not delay the end.
            if grace >= earlier {
                return Vec::new();
            }
            self.grace = Some((begun, grace));
            let passed = clock.elapsed().saturating_sub(begun);
            return vec![Action::Arm(Timer::Grace, grace.saturating_sub(passed))];
        }
        let Some(task) = self.task.clone() else { return Vec::new() };
        self.termination = Some(termination);
        self.grace = Some((clock.elapsed(), grace));
        let mut actions = Vec::new();
        if self.killing_state && termination == Termination::Killed {
            let killing = self.calls.status(&task, TaskState::TaskKilling, clock);
            actions.push(self.update(killing));
        }
        actions.push(Action::Terminate);
        actions.push(Action::Arm(Timer::Grace, grace));
        actions
    }

    fn on_acknowledged(&mut self, uuid: &[u8]) -> Vec<Action> {
        self.task_unacknowledged = false;
        self.calls.acknowledged(uuid);
        if self.terminal_sent && !self.calls.has_unacknowledged() { vec![Action::Exit] } else { Vec::new() }
    }

    /// Handles a timer.
    pub fn on_timer(&mut self, timer: Timer, clock: &mut dyn Clock) -> Vec<Action> {
        match timer {
            Timer::Grace if self.running => vec![Action::Kill],
            Timer::MaxCompletion if self.running => self.terminate(Termination::MaxCompletion, Duration::ZERO, clock),
            Timer::Recovery => self.agent_lost(),
            Timer::Limitation => match self.out_of_memory {
                Some(exit) => self.report(Some(exit), None, clock),
                None => Vec::new(),
            },
            Timer::Probe(checker) => self.start_probe(checker),
            // No agent can acknowledge now; the recovery timeout applies.
            Timer::Acknowledgement if self.disconnected => {
                vec![Action::Arm(Timer::Acknowledgement, ACKNOWLEDGEMENT_TIMEOUT)]
            }
            Timer::Acknowledgement => vec![Action::Exit],
            Timer::Grace | Timer::MaxCompletion => Vec::new(),
        }
    }

    /// Handles the end of the event stream. An executor with checkpointing waits for the agent to return.
    pub fn on_disconnected(&mut self) -> Vec<Action> {
        self.disconnected = true;
        match self.recovery_timeout {
            Some(timeout) if !self.shutdown => vec![Action::Arm(Timer::Recovery, timeout)],
            _ => self.agent_lost(),
        }
    }

    fn agent_lost(&mut self) -> Vec<Action> {
        if self.running { vec![Action::Kill, Action::Exit] } else { vec![Action::Exit] }
    }

    /// Begins the checks of a task that runs. The first probe follows after the delay.
    fn begin_checks(&mut self, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(task) = &self.task else { return Vec::new() };
        self.checks = Checks::new(task, clock.elapsed());
        let probes = self.checks.first_probes(task).into_iter();
        probes.map(|(checker, delay)| Action::Arm(Timer::Probe(checker), delay)).collect()
    }

    fn start_probe(&self, checker: Checker) -> Vec<Action> {
        let Some(task) = self.task.as_ref().filter(|_| self.is_checked()) else { return Vec::new() };
        let probe = self.checks.probe(task, checker);
        probe.map(|(probe, timeout)| Action::Probe(checker, probe, timeout)).into_iter().collect()
    }

    /// Handles the result of a probe, and schedules the next one after the interval.
    pub fn on_probed(&mut self, checker: Checker, outcome: Outcome, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(task) = self.task.clone().filter(|_| self.is_checked()) else { return Vec::new() };
        let Some(verdict) = self.checks.handle(&task, checker, outcome, clock.elapsed()) else { return Vec::new() };
        let mut actions = Vec::new();
        if let Some(reason) = verdict.reason {
            let mut status = self.calls.status(&task, TaskState::TaskRunning, clock);
            status.reason = Some(reason.into());
            status.healthy = self.checks.healthy(&task);
            status.labels = self.checks.labels();
            status.check_status = self.checks.check_status.map(Box::new);
            actions.push(self.update(status));
        }
        if verdict.is_fatal {
            self.unhealthy = true;
            let policy = task.kill_policy.as_ref().and_then(|policy| policy.grace_period.as_ref());
            let grace = policy.map_or(self.default_grace, model::duration_from_proto);
            actions.extend(self.terminate(Termination::Killed, grace, clock));
        }
        actions.push(Action::Arm(Timer::Probe(checker), verdict.interval));
        actions
    }

    /// Returns whether the task is checked. A task that is being terminated or has ended is not.
    fn is_checked(&self) -> bool {
        self.running && self.termination.is_none()
    }

    fn update(&mut self, mut status: v1::TaskStatus) -> Action {
        if let Some(network) = self.details.as_ref().and_then(|details| details.network.clone()) {
            status.container_status.get_or_insert_default().network_infos = vec![network];
        }
        Action::Send(Box::new(self.calls.update(status)))
    }
}

/// Says in a status that the container needed more memory than its limit, as the agent says it of its own containers.
fn add_memory_limit(status: &mut v1::TaskStatus, limit: MemoryLimit) {
    let mebibytes = limit.bytes as f64 / f64::from(1 << 20);
    let exit = status.message.take().unwrap_or_default();
    let requested =
        if limit.bytes > 0 { format!(": Requested: {}", model::format_bytes(limit.bytes)) } else { String::new() };
    status.message = Some(format!("Memory limit exceeded{requested}; {exit}"));
    status.reason = Some(Reason::ContainerLimitationMemory.into());
    if limit.bytes > 0 {
        let resource = v1::Resource {
            name: "mem".to_owned(),
            r#type: v1::value::Type::Scalar.into(),
            scalar: Some(v1::value::Scalar { value: mebibytes }),
            ..Default::default()
        };
        status.limitation = Some(Box::new(v1::TaskResourceLimitation { resources: vec![resource] }));
    }
}

/// The time and randomness of decisions.
pub trait Clock {
    /// Returns the time since the start of this process. It never decreases.
    fn elapsed(&mut self) -> Duration;
    /// Returns the time in seconds since the epoch.
    fn now(&mut self) -> f64;
    /// Returns a random UUID of version 4.
    fn uuid(&mut self) -> [u8; 16];
}

#[cfg(test)]
mod tests;
