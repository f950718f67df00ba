//! The loop of the executor of a task in Docker, which waits for the agent, for Docker and for timers. It has one thread,
//! and another one for the time of each probe of a port.

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use docker::Inspection;
use messages::v1;
use rustix::event::{PollFd, PollFlags};
use wire::Limits;

use super::attendant::{Attendant, Happened, network_of};
use super::launch::DockerLaunch;
use super::supervise::supervise;
use crate::checks::{Checker, Outcome, Probe};
use crate::clock::SystemClock;
use crate::command::InvalidCommand;
use crate::connection;
use crate::core::{Action, ContainerDetails, Executor};
use crate::environment::Environment;
use crate::event_loop::{EventLoop, IdleWait, LoopState};
use crate::last_updates;
use crate::probe::Probes;
use crate::run::fail;
use crate::subscriber::Subscriber;

/// The reason for which the executor cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Environment(#[from] crate::environment::Error),
    #[error("the standard input does not describe a container; this program is started by an agent, not by hand")]
    Launch(#[source] io::Error),
    #[error(transparent)]
    Socket(#[from] docker::InvalidSocket),
    #[error(transparent)]
    Connection(#[from] connection::Error),
    #[error("cannot prepare to wait for events")]
    Io(#[from] io::Error),
}

/// Runs `tepui docker-executor`, which is configured by its environment and its standard input.
pub fn main() -> ExitCode {
    let launch = match DockerLaunch::read(io::stdin().lock()) {
        Ok(launch) => launch,
        Err(error) => return fail(&Error::Launch(error)),
    };
    if launch.is_executor {
        return match supervise(&launch) {
            Ok(code) => code,
            Err(error) => fail(&error),
        };
    }
    match DockerLoop::new(launch).and_then(DockerLoop::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

struct DockerLoop {
    state: LoopState<Executor>,
    idle: IdleWait,
    container: Attendant,
    /// The description of the network in the task.
    network: v1::NetworkInfo,
    probes: Probes<Checker>,
}

impl DockerLoop {
    fn new(launch: DockerLaunch) -> Result<Self, Error> {
        let environment = Environment::read(|name| std::env::var(name).ok())?;
        let executor = Executor::new(
            &environment.framework,
            &environment.executor,
            environment.shutdown_grace,
            environment.recovery_timeout,
        )
        .for_docker(launch.stop_timeout);
        let network = launch.network_info.as_deref().and_then(|bytes| wire::decode(bytes, &Limits::default()).ok());
        let agent = Subscriber::open(&environment, &executor.subscribe())?;
        Ok(DockerLoop {
            state: LoopState::new(executor, SystemClock::new()?, agent),
            idle: IdleWait::default(),
            container: Attendant::new(&launch)?,
            network: network.unwrap_or_default(),
            probes: Probes::new()?,
        })
    }

    fn run(mut self) -> Result<(), Error> {
        while !self.state.done {
            self.deliver_events()?;
            if self.state.done {
                break;
            }
            let ready = self.wait()?;
            self.go_on(&ready);
            for (checker, outcome) in self.probes.take() {
                self.probed(checker, outcome);
            }
            self.fire_timers();
        }
        self.container.leave();
        // The next agent finds the updates when it finds that this process has ended.
        last_updates::keep(&self.state.executor.subscribe());
        Ok(())
    }

    /// Waits until an event may have occurred. Returns which connections of the container are ready.
    fn wait(&mut self) -> Result<Vec<bool>, Error> {
        let deadline = if self.container.has_news() {
            Instant::now()
        } else {
            self.container.deadline().into_iter().fold(self.state.deadline(), Instant::min)
        };
        let mut fds = self.container.poll_fds();
        let of_container = fds.len();
        fds.push(PollFd::new(self.probes.signal(), PollFlags::IN));
        if let Some(socket) = self.state.agent.socket() {
            fds.push(PollFd::new(socket, PollFlags::IN));
        }
        if !self.idle.wait(&mut fds, deadline)? {
            return Ok(vec![false; of_container]);
        }
        Ok(fds.iter().take(of_container).map(|fd| !fd.revents().is_empty()).collect())
    }

    fn go_on(&mut self, ready: &[bool]) {
        for happened in self.container.advance(ready) {
            let actions = match happened {
                Happened::Started(inspection, text) => self.started(&inspection, text),
                Happened::Ended(exit, limit) => {
                    self.state.executor.on_container_ended(exit, limit, &mut self.state.clock)
                }
                Happened::Failed(reason) => self.state.executor.on_start_failed(&reason, &mut self.state.clock),
                Happened::Checked(checker, outcome) => {
                    self.state.executor.on_probed(checker, outcome, &mut self.state.clock)
                }
            };
            self.perform(actions);
        }
    }

    fn started(&mut self, inspection: &Inspection, text: Vec<u8>) -> Vec<Action> {
        if let Some(pid) = inspection.pid {
            self.probes.enter_network(network_of(pid));
        }
        let address = |ip: &Option<String>, protocol: Option<v1::network_info::Protocol>| {
            ip.clone().map(|ip| v1::network_info::IpAddress {
                protocol: protocol.map(|protocol| protocol as i32),
                ip_address: Some(ip),
            })
        };
        let ip6 = address(&inspection.ip6, Some(v1::network_info::Protocol::IPv6));
        let ip_addresses: Vec<_> = address(&inspection.ip, None).into_iter().chain(ip6).collect();
        // As in Mesos, the network of the agent has no description, so that the agent adds its own address.
        let network =
            (!ip_addresses.is_empty()).then(|| v1::NetworkInfo { ip_addresses, ..std::mem::take(&mut self.network) });
        // Mesos' data is what `docker inspect` prints: a list.
        let inspection = [b"[", &text[..], b"]"].concat();
        self.state.executor.on_container_started(ContainerDetails { inspection, network }, &mut self.state.clock)
    }

    fn probed(&mut self, checker: Checker, outcome: Outcome) {
        let actions = self.state.executor.on_probed(checker, outcome, &mut self.state.clock);
        self.perform(actions);
    }
}

impl EventLoop for DockerLoop {
    type Executor = Executor;

    fn state(&mut self) -> &mut LoopState<Executor> {
        &mut self.state
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(call) => self.state.agent.send(call),
                Action::Start(_) => self.container.begin(),
                Action::Terminate => self.container.terminate(),
                Action::Kill => self.container.kill(),
                Action::Arm(timer, after) => self.state.arm(timer, after),
                Action::Probe(checker, Probe::Command(command), timeout) => {
                    self.container.begin_check(checker, &command, timeout);
                }
                Action::Probe(checker, probe, timeout) => {
                    let no_command = |_: &v1::TaskInfo| Err(InvalidCommand::NoCommand);
                    if let Some(outcome) = self.probes.begin(checker, probe, timeout, &no_command) {
                        self.probed(checker, outcome);
                    }
                }
                Action::Exit => self.state.done = true,
            }
        }
    }
}
