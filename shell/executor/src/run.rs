//! The loop of the command executor, which waits for the agent, the task and timers.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use messages::v1::executor::Call;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};

use crate::command::{Execution, InvalidCommand, TaskImage, execution, shown};
use crate::connection::{Caller, Error, Subscription};
use crate::core::{Action, Checker, Clock, Executor, Exit, Outcome, Timer};
use crate::environment::Environment;
use crate::last_updates;
use crate::memory;
use crate::probe::Probes;
use crate::process::{self, ChildSignal};
use crate::write_stderr::write_stderr;

/// The pause between attempts to reach a restarting agent.
const RETRY: Duration = Duration::from_millis(500);
/// The interval of HEARTBEAT calls, as in the Mesos library. They keep idle connections from being closed.
const HEARTBEAT: Duration = Duration::from_secs(30 * 60);

/// Runs `tepui executor` (`mesos-executor`), which is configured by its environment.
pub fn main() -> ExitCode {
    let variables: Vec<(String, String)> =
        std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?))).collect();
    let find = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let environment = match Environment::read(find) {
        Ok(environment) => environment,
        Err(error) => return fail(&error),
    };
    let image = match std::env::args().find_map(|argument| argument.strip_prefix(LAUNCH_INFO).map(TaskImage::read)) {
        None => None,
        Some(Ok(image)) => Some(image),
        Some(Err(error)) => return fail(&error),
    };
    match EventLoop::new(environment, variables, image).and_then(EventLoop::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// The argument that names the file of the launch info, for a task with an image.
const LAUNCH_INFO: &str = "--launch_info=";

fn fail(error: &dyn std::error::Error) -> ExitCode {
    write_stderr(format_args!("executor: {}", model::with_sources(error)));
    ExitCode::FAILURE
}

/// The idle time after which memory is returned.
const IDLE: Duration = Duration::from_millis(250);

struct EventLoop {
    environment: Environment,
    /// The variables that a task's own environment is added to.
    variables: Vec<(String, String)>,
    /// The image of the task; `None` if it runs on the host's files.
    image: Option<TaskImage>,
    executor: Executor,
    clock: SystemClock,
    caller: Caller,
    children: ChildSignal,
    subscription: Option<Subscription>,
    /// The time of the next attempt to subscribe.
    retry_at: Option<Instant>,
    heartbeat_at: Instant,
    timers: BTreeMap<Timer, Instant>,
    /// The calls that a busy agent did not accept, in order, to be sent again. The next SUBSCRIBE would contain each of
    /// them as well.
    refused: VecDeque<Box<Call>>,
    resend_at: Option<Instant>,
    task: Option<Pid>,
    probes: Probes,
    /// Whether memory was returned since the last activity.
    memory_released: bool,
    done: bool,
}

impl EventLoop {
    fn new(
        environment: Environment,
        variables: Vec<(String, String)>,
        image: Option<TaskImage>,
    ) -> Result<Self, Error> {
        process::adopt_orphans()?;
        let executor = Executor::new(
            &environment.framework,
            &environment.executor,
            environment.shutdown_grace,
            environment.recovery_timeout,
        );
        Ok(EventLoop {
            executor,
            clock: SystemClock { random: std::fs::File::open("/dev/urandom")?, start: Instant::now() },
            caller: Caller::new(environment.clone()),
            children: ChildSignal::install()?,
            subscription: None,
            retry_at: None,
            heartbeat_at: Instant::now() + HEARTBEAT,
            timers: BTreeMap::new(),
            refused: VecDeque::new(),
            resend_at: None,
            task: None,
            probes: Probes::new()?,
            memory_released: false,
            done: false,
            variables,
            image,
            environment,
        })
    }

    fn run(mut self) -> Result<(), Error> {
        self.subscription = Some(self.subscribe_first()?);
        while !self.done {
            self.deliver_events()?;
            if self.done {
                break;
            }
            self.wait()?;
            self.reap();
            for (checker, outcome) in self.probes.take() {
                self.probed(checker, outcome);
            }
            self.fire_timers();
        }
        // Processes that the task left behind have this process as their parent, and are not found without it.
        process::kill_descendants();
        self.write_last_updates();
        Ok(())
    }

    /// Writes the unconfirmed updates for the next agent, which finds that the container has ended.
    fn write_last_updates(&self) {
        if self.executor.has_unacknowledged()
            && let Err(error) = last_updates::write(&self.executor.subscribe())
        {
            write_stderr(format_args!("executor: the last updates are lost: {error}"));
        }
    }

    fn reap(&mut self) {
        for (pid, exit) in process::reap() {
            if Some(pid) == self.task {
                self.task = None;
                let out_of_memory = exit != Exit::Status(0) && process::out_of_memory();
                let actions = self.executor.on_exit(exit, out_of_memory, &mut self.clock);
                self.perform(actions);
            } else if let Some((checker, outcome)) = self.probes.ended(pid, exit) {
                self.probed(checker, outcome);
            }
        }
    }

    fn probed(&mut self, checker: Checker, outcome: Outcome) {
        let actions = self.executor.on_probed(checker, outcome, &mut self.clock);
        self.perform(actions);
    }

    /// Subscribes for the first time. A new agent may not serve executors for an instant; any other error is final.
    fn subscribe_first(&self) -> Result<Subscription, Error> {
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            match Subscription::open(&self.environment, &self.executor.subscribe()) {
                Err(error) if error.is_transient() && Instant::now() < give_up => std::thread::sleep(RETRY),
                result => return result,
            }
        }
    }

    fn deliver_events(&mut self) -> Result<(), Error> {
        let Some(subscription) = &mut self.subscription else { return Ok(()) };
        let open = match subscription.receive() {
            Ok(open) => open,
            Err(error) if error.is_transient() => false,
            Err(error) => return Err(error),
        };
        while let Some(event) = match &mut self.subscription {
            Some(subscription) => subscription.next_event()?,
            None => None,
        } {
            let actions = self.executor.on_event(event, &mut self.clock);
            self.perform(actions);
        }
        if !open && !self.done {
            self.subscription = None;
            self.retry_at = Some(Instant::now());
            let actions = self.executor.on_disconnected();
            self.perform(actions);
        }
        Ok(())
    }

    /// Waits until an event may have occurred.
    fn wait(&mut self) -> Result<(), Error> {
        let deadline = self
            .timers
            .values()
            .copied()
            .chain(self.retry_at)
            .chain(self.resend_at)
            .chain([self.heartbeat_at])
            .chain(self.probes.deadline())
            .min();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        // A task that ends at once should not pay for the return of memory.
        let left = if self.memory_released { left } else { Some(left.map_or(IDLE, |left| left.min(IDLE))) };
        let timeout =
            left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) });
        let mut fds =
            vec![PollFd::new(self.children.fd(), PollFlags::IN), PollFd::new(self.probes.signal(), PollFlags::IN)];
        if let Some(subscription) = &self.subscription {
            fds.push(PollFd::new(subscription.socket(), PollFlags::IN));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) if !self.memory_released => {
                memory::release_unused();
                self.memory_released = true;
            }
            Ok(_) => self.memory_released = false,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::Io(error.into())),
        }
        self.children.clear();
        Ok(())
    }

    fn fire_timers(&mut self) {
        self.probes.end_overdue();
        let now = Instant::now();
        let due: Vec<Timer> = self.timers.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect();
        for timer in due {
            self.timers.remove(&timer);
            let actions = self.executor.on_timer(timer, &mut self.clock);
            self.perform(actions);
        }
        if self.heartbeat_at <= now {
            self.heartbeat_at = now + HEARTBEAT;
            // The result does not matter: a heartbeat only keeps the connection open, and the event stream shows the
            // loss of the agent.
            let _ = self.caller.send(&self.executor.heartbeat());
        }
        if self.resend_at.is_some_and(|at| at <= now) {
            self.resend();
        }
        if self.retry_at.is_some_and(|at| at <= now) && !self.done {
            match Subscription::open(&self.environment, &self.executor.subscribe()) {
                Ok(subscription) => {
                    self.subscription = Some(subscription);
                    self.retry_at = None;
                    self.timers.remove(&Timer::Recovery);
                    // The SUBSCRIBE call contained these calls.
                    self.refused.clear();
                    self.resend_at = None;
                }
                Err(_) => self.retry_at = Some(now + RETRY),
            }
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(call) => self.send(call),
                Action::Start(task) => self.start(&task),
                Action::Terminate => process::signal_descendants(Signal::TERM),
                Action::Kill => process::kill_descendants(),
                Action::Arm(timer, after) => {
                    self.timers.insert(timer, Instant::now() + after);
                }
                Action::Probe(checker, probe, timeout) => {
                    let (image, task, variables) = (&self.image, self.task, &self.variables);
                    let execution = |command: &_| check_execution(image.as_ref(), task, command, variables);
                    if let Some(outcome) = self.probes.begin(checker, probe, timeout, &execution) {
                        self.probed(checker, outcome);
                    }
                }
                Action::Exit => self.done = true,
            }
        }
    }

    /// Sends a call. A call that fails is not lost, since it stays unacknowledged and is part of the next SUBSCRIBE. A
    /// busy agent does not end the subscription, so the call is sent again.
    fn send(&mut self, call: Box<Call>) {
        if !self.refused.is_empty() {
            self.refused.push_back(call);
            return;
        }
        let Err(error) = self.caller.send(&call) else { return };
        write_stderr(format_args!("executor: the agent did not accept an update: {error}"));
        if error.is_transient() {
            self.refused.push_back(call);
            self.resend_at = Some(Instant::now() + RETRY);
        }
    }

    fn resend(&mut self) {
        self.resend_at = None;
        // Without a subscription, the agent has to recover first.
        if self.subscription.is_none() {
            return;
        }
        while let Some(call) = self.refused.front() {
            match self.caller.send(call) {
                Err(error) if error.is_transient() => {
                    self.resend_at = Some(Instant::now() + RETRY);
                    return;
                }
                // A call that the agent refuses now would be refused later, too.
                Ok(()) | Err(_) => drop(self.refused.pop_front()),
            }
        }
    }

    fn start(&mut self, task: &messages::v1::TaskInfo) {
        let execution = match &self.image {
            Some(image) => image.execution(task, &self.variables),
            None => execution(task, &self.variables),
        };
        let started = execution
            .map_err(|error| error.to_string())
            .and_then(|execution| process::start(&execution).map_err(|error| error.to_string()));
        let actions = match started {
            Ok(pid) => {
                self.task = Some(pid);
                self.executor.on_started(&mut self.clock)
            }
            Err(error) => {
                let command = shown(task.command.as_ref().map(|command| command.value()).unwrap_or_default());
                self.executor.on_start_failed(&format!("Failed to launch '{command}': {error}"), &mut self.clock)
            }
        };
        self.perform(actions);
    }
}

/// Returns how a command of a check is executed. It runs with the files of the task, so there is nothing to execute
/// before the task runs.
fn check_execution(
    image: Option<&TaskImage>,
    task: Option<Pid>,
    command: &messages::v1::TaskInfo,
    variables: &[(String, String)],
) -> Result<Execution, InvalidCommand> {
    match (image, task) {
        (Some(image), Some(task)) => image.check(task, command, variables),
        (Some(_), None) => Err(InvalidCommand::NoCommand),
        (None, _) => execution(command, variables),
    }
}

/// The clock and randomness of the operating system.
struct SystemClock {
    random: std::fs::File,
    start: Instant,
}

impl Clock for SystemClock {
    fn elapsed(&mut self) -> Duration {
        self.start.elapsed()
    }

    fn now(&mut self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
    }

    fn uuid(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if self.random.read_exact(&mut bytes).is_err() {
            // This has never been observed. The time still makes the uuids of one task's updates unique, which
            // suffices.
            bytes = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos()).to_le_bytes();
        }
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        bytes
    }
}
