//! The loop of the default executor, which waits for the agent, for replies and for timers. It has one thread, and
//! another one for the time of each probe of a port.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::ExitCode;

use messages::v1;
use rustix::event::{PollFd, PollFlags};

use super::actions::{Action, Key, Purpose, Reply};
use super::agent_requests::AgentRequests;
use super::executor::{DefaultExecutor, Settings};
use crate::checks::{Checker, Outcome};
use crate::clock::SystemClock;
use crate::command::InvalidCommand;
use crate::connection;
use crate::environment::Environment;
use crate::event_loop::{EventLoop, IdleWait, LoopState};
use crate::last_updates;
use crate::probe::Probes;
use crate::run::fail;
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
    match PodLoop::new().and_then(PodLoop::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

struct PodLoop {
    state: LoopState<DefaultExecutor>,
    idle: IdleWait,
    requests: AgentRequests,
    probes: Probes<(Key, Checker)>,
    sandbox: PathBuf,
    /// Replies that were known at once, to be handled after the actions that led to them.
    replies: Vec<(Purpose, Reply)>,
}

impl PodLoop {
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
        Ok(PodLoop {
            state: LoopState::new(executor, SystemClock::new()?, agent),
            idle: IdleWait::default(),
            requests: AgentRequests::new(environment),
            probes: Probes::new()?,
            sandbox: sandbox.into(),
            replies: Vec::new(),
        })
    }

    fn run(mut self) -> Result<(), Error> {
        while !self.state.done {
            self.deliver_events()?;
            if self.state.done {
                break;
            }
            let replies = self.wait()?;
            for (purpose, reply) in replies {
                let actions = self.state.executor.on_reply(purpose, reply, &mut self.state.clock);
                self.perform(actions);
            }
            for ((key, checker), outcome) in self.probes.take() {
                self.probed(key, checker, outcome);
            }
            self.fire_timers();
        }
        // The next agent finds the updates when it finds that the container has ended.
        last_updates::keep(&self.state.executor.subscribe());
        Ok(())
    }

    /// Waits until an event may have occurred. Returns the replies that are complete.
    fn wait(&mut self) -> Result<Vec<(Purpose, Reply)>, Error> {
        let deadline = self.state.deadline();
        let mut fds: Vec<PollFd<'_>> = self.requests.poll_fds().collect();
        let requests = fds.len();
        fds.push(PollFd::new(self.probes.signal(), PollFlags::IN));
        if let Some(socket) = self.state.agent.socket() {
            fds.push(PollFd::new(socket, PollFlags::IN));
        }
        if !self.idle.wait(&mut fds, deadline)? {
            return Ok(Vec::new());
        }
        let ready: Vec<bool> = fds.iter().take(requests).map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        Ok(self.requests.advance(&ready))
    }

    fn probed(&mut self, key: Key, checker: Checker, outcome: Outcome) {
        let actions = self.state.executor.on_probed(key, checker, outcome, &mut self.state.clock);
        self.perform(actions);
    }

    fn perform_one(&mut self, action: Action) {
        match action {
            Action::Send(call) => self.state.agent.send(call),
            Action::Request(purpose, call) => {
                let reply = self.requests.begin(purpose, &call);
                self.replies.extend(reply.map(|reply| (purpose, reply)));
            }
            Action::Cancel(purpose) => self.requests.cancel(purpose),
            Action::CancelAll => self.requests.cancel_all(),
            Action::LinkSandbox(task, container) => self.link_sandbox(&task, &container),
            Action::Arm(timer, after) => self.state.arm(timer, after),
            Action::Probe(key, checker, probe, timeout) => {
                let no_command = |_: &v1::TaskInfo| Err(InvalidCommand::NoCommand);
                if let Some(outcome) = self.probes.begin((key, checker), probe, timeout, &no_command) {
                    self.probed(key, checker, outcome);
                }
            }
            Action::Log(line) => write_stderr(format_args!("executor: {line}")),
            Action::Exit => self.state.done = true,
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

impl EventLoop for PodLoop {
    type Executor = DefaultExecutor;

    fn state(&mut self) -> &mut LoopState<DefaultExecutor> {
        &mut self.state
    }

    /// Carries out actions, then those that follow from replies that are known at once.
    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.perform_one(action);
        }
        while let Some((purpose, reply)) = self.replies.pop() {
            for action in self.state.executor.on_reply(purpose, reply, &mut self.state.clock) {
                self.perform_one(action);
            }
        }
    }
}

/// Returns whether a text is an address of one interface, as opposed to all.
fn is_specific(ip: &str) -> bool {
    ip.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified())
}
