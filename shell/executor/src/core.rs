//! The decisions of a command executor: what to do upon events, exits and timers.
//! Pure: time, randomness and the process are handed in or asked for as actions.

mod checks;

use std::collections::BTreeMap;
use std::time::Duration;

use messages::v1;
use messages::v1::executor::{Call, Event, call, event};
use messages::v1::task_status::{Reason, Source};
use messages::v1::{TaskState, framework_info::capability};
use model::signal_name;

use checks::Health;
pub use checks::{Checker, Outcome, Probe};

/// SIGTERM to SIGKILL when neither the task nor the kill says otherwise (`Slave`'s default in Mesos).
const DEFAULT_GRACE: Duration = Duration::from_secs(3);

/// How long the end of a task for want of memory is left to the agent to report: it knows the limit and the usage.
const LIMITATION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the last acknowledgement is waited for, as in Mesos: an agent that never acknowledges the terminal update does not keep the container alive.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// What the loop has to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Send(Box<Call>),
    Start(Box<v1::TaskInfo>),
    /// SIGTERM to every process of the task.
    Terminate,
    /// SIGKILL until none is left.
    Kill,
    /// Call `Executor::on_timer(timer)` after this time; a later one replaces it.
    Arm(Timer, Duration),
    /// Look at the task, for no longer than this, and tell `Executor::on_probed`.
    Probe(Checker, Probe, Duration),
    /// End this process.
    Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The grace period after SIGTERM is over.
    Grace,
    /// `max_completion_time` is over.
    MaxCompletion,
    /// The agent is not back in time.
    Recovery,
    /// The agent has not reported that the memory ran out.
    Limitation,
    /// It is time to look at the task.
    Probe(Checker),
    /// The terminal update ought to have been acknowledged.
    Acknowledgement,
}

/// How the task's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Status(i32),
    Signal { signal: i32, core: bool },
}

/// Why the task is being ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Killed,
    MaxCompletion,
}

#[derive(Debug)]
pub struct Executor {
    framework: v1::FrameworkId,
    id: v1::ExecutorId,
    shutdown_grace: Duration,
    recovery_timeout: Option<Duration>,
    /// The framework wants to hear of TASK_KILLING.
    killing_state: bool,
    task: Option<v1::TaskInfo>,
    /// Launched, and no update of it acknowledged yet.
    task_unacknowledged: bool,
    /// The updates in the order they were made (uuids are random, so a sequence number leads).
    unacknowledged: BTreeMap<u64, call::Update>,
    sequence: u64,
    running: bool,
    ending: Option<Ending>,
    /// When the first kill came and how long its grace is.
    grace: Option<(Duration, Duration)>,
    /// The task has ended for want of memory; the agent has the first word.
    out_of_memory: Option<Exit>,
    /// The agent is away; a checkpointing executor waits for it.
    disconnected: bool,
    health: Health,
    /// What the check has found so far.
    check_status: Option<v1::CheckStatusInfo>,
    terminal_sent: bool,
    shutdown: bool,
}

impl Executor {
    pub fn new(framework: &str, id: &str, shutdown_grace: Duration, recovery_timeout: Option<Duration>) -> Self {
        Executor {
            framework: v1::FrameworkId { value: framework.to_owned() },
            id: v1::ExecutorId { value: id.to_owned() },
            shutdown_grace,
            recovery_timeout,
            killing_state: false,
            task: None,
            task_unacknowledged: false,
            unacknowledged: BTreeMap::new(),
            sequence: 0,
            running: false,
            ending: None,
            grace: None,
            out_of_memory: None,
            disconnected: false,
            health: Health::default(),
            check_status: None,
            terminal_sent: false,
            shutdown: false,
        }
    }

    /// The SUBSCRIBE call: with what the agent may not know after a restart of its own.
    pub fn subscribe(&self) -> Call {
        let tasks = self.task.iter().filter(|_| self.task_unacknowledged).cloned();
        let subscribe = call::Subscribe {
            unacknowledged_tasks: tasks.collect(),
            unacknowledged_updates: self.unacknowledged.values().cloned().collect(),
        };
        self.call(call::Type::Subscribe, |c| c.subscribe = Some(Box::new(subscribe)))
    }

    pub fn has_unacknowledged(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    pub fn heartbeat(&self) -> Call {
        self.call(call::Type::Heartbeat, |_| {})
    }

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
            // The agent is about to end this executor's container, or says nothing that asks for an answer.
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
            // The agent never does this; a second task here would hide the first.
            let status = self.status(&task, TaskState::TaskFailed, clock);
            let message = "the command executor runs one task only".to_owned();
            return vec![self.update(v1::TaskStatus { message: Some(message), ..status })];
        }
        let starting = self.status(&task, TaskState::TaskStarting, clock);
        self.task = Some(task.clone());
        self.task_unacknowledged = true;
        vec![self.update(starting), Action::Start(Box::new(task))]
    }

    /// The task's process runs.
    pub fn on_started(&mut self, clock: &mut dyn Clock) -> Vec<Action> {
        self.running = true;
        let Some(task) = self.task.clone() else { return Vec::new() };
        let running = self.status(&task, TaskState::TaskRunning, clock);
        let mut actions = vec![self.update(running)];
        if let Some(limit) = task.max_completion_time {
            actions.push(Action::Arm(Timer::MaxCompletion, duration(&limit)));
        }
        actions.extend(self.begin_checks(clock));
        actions
    }

    /// The task's process could not be started.
    pub fn on_start_failed(&mut self, reason: &str, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(task) = self.task.clone() else { return Vec::new() };
        let status = self.status(&task, TaskState::TaskFailed, clock);
        let update = self.update(v1::TaskStatus { message: Some(reason.to_owned()), ..status });
        self.terminal(update)
    }

    /// The task's first process has ended. `out_of_memory`: the kernel has killed in this container for want of memory.
    pub fn on_exit(&mut self, exit: Exit, out_of_memory: bool, clock: &mut dyn Clock) -> Vec<Action> {
        self.running = false;
        if out_of_memory && exit != Exit::Status(0) && self.ending.is_none() {
            self.out_of_memory = Some(exit);
            return vec![Action::Arm(Timer::Limitation, LIMITATION_TIMEOUT)];
        }
        self.report(exit, clock)
    }

    fn report(&mut self, exit: Exit, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(task) = self.task.clone() else { return Vec::new() };
        if self.terminal_sent {
            return Vec::new();
        }
        let state = match (self.ending, exit) {
            (Some(Ending::Killed), _) => TaskState::TaskKilled,
            (Some(Ending::MaxCompletion), _) => TaskState::TaskFailed,
            (None, Exit::Status(0)) => TaskState::TaskFinished,
            (None, _) => TaskState::TaskFailed,
        };
        let mut status = self.status(&task, state, clock);
        status.message = Some(match exit {
            Exit::Status(status) => format!("Command exited with status {status}"),
            Exit::Signal { signal, core } => {
                let core = if core { " (core dumped)" } else { "" };
                format!("Command terminated with signal {}{core}", signal_name(signal))
            }
        });
        if self.out_of_memory.is_some() {
            status.reason = Some(Reason::ContainerLimitationMemory.into());
        }
        if self.health.fatal {
            status.healthy = Some(false);
        }
        if self.ending == Some(Ending::MaxCompletion) {
            status.reason = Some(Reason::MaxCompletionTimeReached.into());
        }
        let update = self.update(status);
        let mut actions = self.terminal(update);
        if self.shutdown {
            // The agent does not acknowledge to an executor it shuts down.
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
        let grace = policy.and_then(|p| p.grace_period.as_ref()).map_or(DEFAULT_GRACE, duration);
        self.end(Ending::Killed, grace, clock)
    }

    fn on_shutdown(&mut self, clock: &mut dyn Clock) -> Vec<Action> {
        self.shutdown = true;
        if !self.running {
            return vec![Action::Exit];
        }
        // A little before the agent loses patience and destroys the container, so that the update still goes out.
        let grace = self.shutdown_grace.mul_f64(0.8);
        self.end(Ending::Killed, grace, clock)
    }

    fn end(&mut self, ending: Ending, grace: Duration, clock: &mut dyn Clock) -> Vec<Action> {
        if self.terminal_sent {
            return Vec::new();
        }
        if let Some((begun, earlier)) = self.grace {
            // Killed again, perhaps with less patience (MESOS-8679: a kill that hangs must not hide later ones). Never
            // with more: a scheduler that repeats its kill must not put off the end.
            if grace >= earlier {
                return Vec::new();
            }
            self.grace = Some((begun, grace));
            let passed = clock.elapsed().saturating_sub(begun);
            return vec![Action::Arm(Timer::Grace, grace.saturating_sub(passed))];
        }
        let Some(task) = self.task.clone() else { return Vec::new() };
        self.ending = Some(ending);
        self.grace = Some((clock.elapsed(), grace));
        let mut actions = Vec::new();
        if self.killing_state && ending == Ending::Killed {
            let killing = self.status(&task, TaskState::TaskKilling, clock);
            actions.push(self.update(killing));
        }
        actions.push(Action::Terminate);
        actions.push(Action::Arm(Timer::Grace, grace));
        actions
    }

    fn on_acknowledged(&mut self, uuid: &[u8]) -> Vec<Action> {
        self.task_unacknowledged = false;
        self.unacknowledged.retain(|_, update| update.status.uuid.as_deref() != Some(uuid));
        if self.terminal_sent && self.unacknowledged.is_empty() { vec![Action::Exit] } else { Vec::new() }
    }

    pub fn on_timer(&mut self, timer: Timer, clock: &mut dyn Clock) -> Vec<Action> {
        match timer {
            Timer::Grace if self.running => vec![Action::Kill],
            Timer::MaxCompletion if self.running => self.end(Ending::MaxCompletion, Duration::ZERO, clock),
            Timer::Recovery => self.agent_lost(),
            Timer::Limitation => match self.out_of_memory {
                Some(exit) => self.report(exit, clock),
                None => Vec::new(),
            },
            Timer::Probe(checker) => self.start_probe(checker),
            // Nobody can acknowledge now; the recovery timeout decides.
            Timer::Acknowledgement if self.disconnected => {
                vec![Action::Arm(Timer::Acknowledgement, ACKNOWLEDGEMENT_TIMEOUT)]
            }
            Timer::Acknowledgement => vec![Action::Exit],
            Timer::Grace | Timer::MaxCompletion => Vec::new(),
        }
    }

    /// The event stream ended. `Some` when the executor waits for the agent to come back.
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

    fn status(&self, task: &v1::TaskInfo, state: TaskState, clock: &mut dyn Clock) -> v1::TaskStatus {
        v1::TaskStatus {
            task_id: task.task_id.clone(),
            agent_id: Some(task.agent_id.clone()),
            executor_id: Some(self.id.clone()),
            state: state.into(),
            source: Some(Source::Executor.into()),
            timestamp: Some(clock.now()),
            uuid: Some(clock.uuid().to_vec()),
            check_status: task.check.as_deref().and_then(checks::empty_status).map(Box::new),
            ..Default::default()
        }
    }

    fn update(&mut self, status: v1::TaskStatus) -> Action {
        let update = call::Update { status };
        self.sequence += 1;
        self.unacknowledged.insert(self.sequence, update.clone());
        Action::Send(Box::new(self.call(call::Type::Update, |c| c.update = Some(Box::new(update)))))
    }

    fn call(&self, kind: call::Type, fill: impl FnOnce(&mut Call)) -> Call {
        let mut call = Call {
            framework_id: self.framework.clone(),
            executor_id: self.id.clone(),
            r#type: Some(kind.into()),
            ..Default::default()
        };
        fill(&mut call);
        call
    }
}

fn duration(info: &v1::DurationInfo) -> Duration {
    Duration::from_nanos(u64::try_from(info.nanoseconds).unwrap_or(0))
}

/// Time and randomness, from outside.
pub trait Clock {
    /// Since the start of this process; never goes back.
    fn elapsed(&mut self) -> Duration;
    /// Seconds since the epoch.
    fn now(&mut self) -> f64;
    /// A random UUID of version 4.
    fn uuid(&mut self) -> [u8; 16];
}

#[cfg(test)]
mod tests;
