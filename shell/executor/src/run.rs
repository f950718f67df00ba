//! The loop of the command executor, which waits for the agent, the task and timers.

use std::ffi::{CString, OsString};
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal};

use crate::checks::{Checker, Outcome};
use crate::clock::SystemClock;
use crate::command::{Execution, InvalidCommand, TaskImage, execution, shown};
use crate::connection::Error;
use crate::core::{Action, Executor, Exit};
use crate::environment::Environment;
use crate::event_loop::{EventLoop, IdleWait, LoopState};
use crate::last_updates;
use crate::probe::Probes;
use crate::process::{self, ChildSignal};
use crate::quoted_environment::unquoted_name;
use crate::subscriber::Subscriber;
use crate::terminal::{self, Terminal};
use crate::write_stderr::write_stderr;

/// Runs `tepui executor` (`mesos-executor`), which is configured by its environment.
pub fn main() -> ExitCode {
    let arguments = std::env::args_os().filter_map(|argument| argument.into_string().ok());
    match command_executor(&arguments.collect::<Vec<_>>()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Runs the command executor with these arguments, which begin with `argv[0]`, in the environment of this process. Returns
/// false if it has failed, after the reason was written to stderr.
pub fn command_executor(arguments: &[String]) -> bool {
    let failed = |error: &dyn std::error::Error| {
        fail(error);
        false
    };
    let image = match arguments.iter().find_map(|argument| argument.strip_prefix(LAUNCH_INFO).map(TaskImage::read)) {
        None => None,
        Some(Ok(image)) => Some(image),
        Some(Err(error)) => return failed(&error),
    };
    let terminal = arguments.iter().find_map(|argument| Terminal::from_argument(argument.strip_prefix(TERMINAL)?));
    let terminal = match terminal.transpose() {
        Ok(terminal) => terminal,
        Err(error) => return failed(&error),
    };
    // With an image, the agent has quoted the variables of the task.
    let name = |name: OsString| if image.is_some() { unquoted_name(&name).to_owned() } else { name };
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(given, value)| Some((name(given).into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let find = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let environment = match Environment::read(find) {
        Ok(environment) => environment,
        Err(error) => return failed(&error),
    };
    match CommandLoop::new(environment, variables, image, terminal).and_then(CommandLoop::run) {
        Ok(()) => true,
        Err(error) => failed(&error),
    }
}

/// Does what a process does once, for those that are forked from it: finds out what the processor can do, which takes a
/// virtual machine long, and encodes and decodes a message.
pub fn warm_up() {
    #[cfg(target_arch = "x86_64")]
    let _ = std::arch::is_x86_feature_detected!("avx2");
    let call = Executor::new("", "", Duration::ZERO, None).subscribe();
    let _: Result<messages::v1::executor::Call, _> = wire::decode(&wire::encode(&call), &wire::Limits::default());
}

/// The argument that names the file of the launch info, for a task with an image.
const LAUNCH_INFO: &str = "--launch_info=";
/// The argument with the terminal of the task, in the form of that of an init.
const TERMINAL: &str = "--terminal=";

pub(crate) fn fail(error: &dyn std::error::Error) -> ExitCode {
    write_stderr(format_args!("executor: {}", model::with_sources(error)));
    ExitCode::FAILURE
}

/// The idle time after which memory is returned.
pub(crate) const IDLE: Duration = Duration::from_millis(250);

struct CommandLoop {
    /// The variables that a task's own environment is added to.
    variables: Vec<(String, String)>,
    /// The image of the task; `None` if it runs on the host's files.
    image: Option<TaskImage>,
    /// The terminal of the task, if it has one.
    terminal: Option<Terminal>,
    state: LoopState<Executor>,
    idle: IdleWait,
    children: ChildSignal,
    task: Option<Pid>,
    probes: Probes<Checker>,
}

impl CommandLoop {
    fn new(
        environment: Environment,
        variables: Vec<(String, String)>,
        image: Option<TaskImage>,
        terminal: Option<Terminal>,
    ) -> Result<Self, Error> {
        process::adopt_orphans()?;
        let executor = Executor::new(
            &environment.framework,
            &environment.executor,
            environment.shutdown_grace,
            environment.recovery_timeout,
        );
        // The children of this process are blocked before its first thread exists.
        let children = ChildSignal::install()?;
        let agent = Subscriber::open(&environment, &executor.subscribe())?;
        Ok(CommandLoop {
            state: LoopState::new(executor, SystemClock::new()?, agent),
            idle: IdleWait::default(),
            children,
            task: None,
            probes: Probes::new()?,
            variables,
            image,
            terminal,
        })
    }

    fn run(mut self) -> Result<(), Error> {
        while !self.state.done {
            self.deliver_events()?;
            if self.state.done {
                break;
            }
            self.wait()?;
            self.reap();
            for (checker, outcome) in self.probes.take() {
                self.probed(checker, outcome);
            }
            self.probes.end_overdue();
            self.fire_timers();
        }
        // Processes that the task left behind have this process as their parent, and are not found without it.
        process::kill_descendants();
        last_updates::keep(&self.state.executor.subscribe());
        if let Some(terminal) = self.terminal {
            terminal.finish();
        }
        Ok(())
    }

    fn reap(&mut self) {
        for (pid, exit) in process::reap() {
            if Some(pid) == self.task {
                self.task = None;
                if let Some(terminal) = &mut self.terminal {
                    terminal.read_available();
                }
                let out_of_memory = exit != Exit::Status(0) && process::out_of_memory();
                let actions = self.state.executor.on_exit(exit, out_of_memory, &mut self.state.clock);
                self.perform(actions);
            } else if let Some((checker, outcome)) = self.probes.ended(pid, exit) {
                self.probed(checker, outcome);
            }
        }
    }

    fn probed(&mut self, checker: Checker, outcome: Outcome) {
        let actions = self.state.executor.on_probed(checker, outcome, &mut self.state.clock);
        self.perform(actions);
    }

    /// Waits until an event may have occurred.
    fn wait(&mut self) -> Result<(), Error> {
        let deadline = self.probes.deadline().into_iter().fold(self.state.deadline(), Instant::min);
        let mut fds =
            vec![PollFd::new(self.children.fd(), PollFlags::IN), PollFd::new(self.probes.signal(), PollFlags::IN)];
        if let Some(socket) = self.state.agent.socket() {
            fds.push(PollFd::new(socket, PollFlags::IN));
        }
        let others = fds.len();
        fds.extend(self.terminal.iter().flat_map(Terminal::poll_fds));
        self.idle.wait(&mut fds, deadline)?;
        let of_terminal: Vec<PollFlags> = fds.iter().skip(others).map(PollFd::revents).collect();
        if let Some(terminal) = &mut self.terminal {
            terminal.serve(&of_terminal);
        }
        self.children.clear();
        Ok(())
    }

    fn start(&mut self, task: &messages::v1::TaskInfo) {
        let execution = match &self.image {
            Some(image) => image.execution(task, &self.variables),
            None => execution(task, &self.variables),
        };
        let started = execution
            .map_err(|error| error.to_string())
            .and_then(|execution| self.start_program(&execution).map_err(|error| error.to_string()));
        let actions = match started {
            Ok(pid) => {
                self.task = Some(pid);
                self.state.executor.on_started(&mut self.state.clock)
            }
            Err(error) => {
                let command = shown(task.command.as_ref().map(|command| command.value()).unwrap_or_default());
                let reason = format!("Failed to launch '{command}': {error}");
                self.state.executor.on_start_failed(&reason, &mut self.state.clock)
            }
        };
        self.perform(actions);
    }

    /// Starts the program of the task, on its terminal if it has one.
    fn start_program(&self, execution: &Execution) -> io::Result<Pid> {
        let Some(terminal) = &self.terminal else { return process::start(execution) };
        // The launcher is root, and its program is the user of the task.
        if let Some(user) = self.image.as_ref().and_then(|image| image.info.user.as_ref()) {
            terminal.give_to(user.uid, user.gid)?;
        }
        process::start_on_terminal(execution, &CString::new(terminal::path_of(terminal.slave()))?)
    }
}

impl EventLoop for CommandLoop {
    type Executor = Executor;

    fn state(&mut self) -> &mut LoopState<Executor> {
        &mut self.state
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(call) => self.state.agent.send(call),
                Action::Start(task) => self.start(&task),
                Action::Terminate => process::signal_descendants(Signal::TERM),
                Action::Kill => process::kill_descendants(),
                Action::Arm(timer, after) => self.state.arm(timer, after),
                Action::Probe(checker, probe, timeout) => {
                    let (image, task, variables) = (&self.image, self.task, &self.variables);
                    let execution = |command: &_| check_execution(image.as_ref(), task, command, variables);
                    if let Some(outcome) = self.probes.begin(checker, probe, timeout, &execution) {
                        self.probed(checker, outcome);
                    }
                }
                Action::Exit => self.state.done = true,
            }
        }
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
