//! The loop of the default executor, which waits for the agent, for replies and for timers. It has one thread, and
//! another one for the time of each probe of a port.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use messages::v1;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::actions::{Action, Key, Purpose, Reply, Timer};
use super::agent_requests::AgentRequests;
use super::executor::{DefaultExecutor, Settings};
use crate::checks::{Checker, Outcome};
use crate::clock::SystemClock;
use crate::command::InvalidCommand;
use crate::connection;
use crate::environment::Environment;
use crate::last_updates;
use crate::memory;
use crate::probe::Probes;
use crate::run::{IDLE, fail};
use crate::subscriber::Subscriber;
use crate::write_stderr::write_stderr;

/// The reason for which the default executor cannot run.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Environment(#[from] crate::environment::Error),
    #[error("the variable {0} is missing; this program is started by a Mesos or Tepui agent, not by hand")]
    Missing(&'static str),
    #[error("{0} demands TLS to the agent, which is not supported yet; run the executors of this agent without it")]
    Tls(&'static str),
    #[error(transparent)]
    Connection(#[from] connection::Error),
    #[error("cannot prepare to wait for events")]
    Io(#[from] io::Error),
}

/// Runs `tepui default-executor` (`mesos-default-executor`), which is configured by its environment.
pub fn main() -> ExitCode {
    match EventLoop::new().and_then(EventLoop::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

struct EventLoop {
    executor: DefaultExecutor,
    clock: SystemClock,
    agent: Subscriber,
    requests: AgentRequests,
    probes: Probes<(Key, Checker)>,
    timers: BTreeMap<Timer, Instant>,
    sandbox: PathBuf,
    /// Replies that were known at once, to be handled after the actions that led to them.
    replies: Vec<(Purpose, Reply)>,
    /// Whether memory was returned since the last activity.
    memory_released: bool,
    done: bool,
}

impl EventLoop {
    fn new() -> Result<Self, Error> {
        let find = |name: &str| std::env::var(name).ok();
        let environment = Environment::read(find)?;
        let sandbox = find("MESOS_SANDBOX").filter(|path| !path.is_empty()).ok_or(Error::Missing("MESOS_SANDBOX"))?;
        for name in ["LIBPROCESS_SSL_ENABLED", "SSL_ENABLED"] {
            if find(name).is_some_and(|value| matches!(value.as_str(), "1" | "true")) {
                return Err(Error::Tls(name));
            }
        }
        let mut executor = DefaultExecutor::new(Settings {
            framework: environment.framework.clone(),
            executor: environment.executor.clone(),
            shutdown_grace: environment.shutdown_grace,
            recovery_timeout: environment.recovery_timeout,
            container_ip: None,
        });
        let agent = Subscriber::open(&environment, &executor.subscribe())?;
        // The address by which this container reaches its agent is the one of its network.
        let own = agent.socket().and_then(|socket| Some(socket.local_addr().ok()?.ip().to_string()));
        executor.settings.container_ip = find("LIBPROCESS_IP").filter(|ip| is_specific(ip)).or(own);
        Ok(EventLoop {
            executor,
            clock: SystemClock::new()?,
            agent,
            requests: AgentRequests::new(environment),
            probes: Probes::new()?,
            timers: BTreeMap::new(),
            sandbox: sandbox.into(),
            replies: Vec::new(),
            memory_released: false,
            done: false,
        })
    }

    fn run(mut self) -> Result<(), Error> {
        while !self.done {
            self.deliver_events()?;
            if self.done {
                break;
            }
            let replies = self.wait()?;
            for (purpose, reply) in replies {
                let actions = self.executor.on_reply(purpose, reply, &mut self.clock);
                self.perform(actions);
            }
            for ((key, checker), outcome) in self.probes.take() {
                self.probed(key, checker, outcome);
            }
            self.fire_timers();
        }
        // The next agent finds the updates when it finds that the container has ended.
        last_updates::keep(&self.executor.subscribe());
        Ok(())
    }

    fn deliver_events(&mut self) -> Result<(), Error> {
        let open = self.agent.receive()?;
        while let Some(event) = self.agent.next_event()? {
            let actions = self.executor.on_event(event, &mut self.clock);
            self.perform(actions);
        }
        if !open && !self.done {
            self.agent.close();
            let actions = self.executor.on_disconnected();
            self.perform(actions);
        }
        Ok(())
    }

    /// Waits until an event may have occurred. Returns the replies that are complete.
    fn wait(&mut self) -> Result<Vec<(Purpose, Reply)>, Error> {
        let deadline = self.timers.values().copied().fold(self.agent.deadline(), Instant::min);
        let left = deadline.saturating_duration_since(Instant::now());
        let left = if self.memory_released { left } else { left.min(IDLE) };
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut fds: Vec<PollFd<'_>> = self.requests.poll_fds().collect();
        let requests = fds.len();
        fds.push(PollFd::new(self.probes.signal(), PollFlags::IN));
        if let Some(socket) = self.agent.socket() {
            fds.push(PollFd::new(socket, PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) if !self.memory_released && left == IDLE => {
                memory::release_unused();
                self.memory_released = true;
            }
            Ok(_) => self.memory_released = false,
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(Error::Io(error.into())),
        }
        let ready: Vec<bool> = fds.iter().take(requests).map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        Ok(self.requests.advance(&ready))
    }

    fn fire_timers(&mut self) {
        let now = Instant::now();
        let due: Vec<Timer> = self.timers.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect();
        for timer in due {
            self.timers.remove(&timer);
            let actions = self.executor.on_timer(timer, &mut self.clock);
            self.perform(actions);
        }
        let executor = &self.executor;
        if !self.done && self.agent.fire_timers(&|| executor.subscribe(), &|| executor.heartbeat()) {
            self.timers.remove(&Timer::Recovery);
        }
    }

    fn probed(&mut self, key: Key, checker: Checker, outcome: Outcome) {
        let actions = self.executor.on_probed(key, checker, outcome, &mut self.clock);
        self.perform(actions);
    }

    /// Carries out actions, then those that follow from replies that are known at once.
    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.perform_one(action);
        }
        while let Some((purpose, reply)) = self.replies.pop() {
            for action in self.executor.on_reply(purpose, reply, &mut self.clock) {
                self.perform_one(action);
            }
        }
    }

    fn perform_one(&mut self, action: Action) {
        match action {
            Action::Send(call) => self.agent.send(call),
            Action::Request(purpose, call) => {
                let reply = self.requests.begin(purpose, &call);
                self.replies.extend(reply.map(|reply| (purpose, reply)));
            }
            Action::Cancel(purpose) => self.requests.cancel(purpose),
            Action::CancelAll => self.requests.cancel_all(),
            Action::LinkSandbox(task, container) => self.link_sandbox(&task, &container),
            Action::Arm(timer, after) => {
                self.timers.insert(timer, Instant::now() + after);
            }
            Action::Probe(key, checker, probe, timeout) => {
                let no_command = |_: &v1::TaskInfo| Err(InvalidCommand::NoCommand);
                if let Some(outcome) = self.probes.begin((key, checker), probe, timeout, &no_command) {
                    self.probed(key, checker, outcome);
                }
            }
            Action::Log(line) => write_stderr(format_args!("executor: {line}")),
            Action::Exit => self.done = true,
        }
    }

    /// Makes `tasks/<task>` a link to the sandbox of its container, so that people find it by the id of the task.
    fn link_sandbox(&self, task: &v1::TaskId, container: &v1::ContainerId) {
        let name = task.value.as_str();
        if name.is_empty() || name == "." || name == ".." || name.contains('/') {
            return;
        }
        let tasks = self.sandbox.join("tasks");
        let target = self.sandbox.join("containers").join(&container.value);
        let linked = fs::create_dir_all(&tasks).and_then(|()| symlink(target, tasks.join(name)));
        // A launch that was repeated finds its link.
        if let Err(error) = linked.or_else(|e| if e.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(e) }) {
            write_stderr(format_args!("executor: the sandbox of task '{name}' has no link: {error}"));
        }
    }
}

/// Returns whether a text is an address of one interface, as opposed to all.
fn is_specific(ip: &str) -> bool {
    ip.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified())
}
