//! The loop of the executor of a task in Docker, which waits for the agent, for Docker and for timers. It has one thread,
//! and another one for the time of each probe of a port.

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use docker::Inspection;
use messages::v1;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wire::Limits;

use super::attendant::{Attendant, Happened, network_of};
use super::launch::DockerLaunch;
use super::supervise::supervise;
use crate::checks::{Checker, Outcome, Probe};
use crate::clock::SystemClock;
use crate::command::InvalidCommand;
use crate::connection;
use crate::core::{Action, ContainerDetails, Executor, Timer};
use crate::environment::Environment;
use crate::last_updates;
use crate::memory;
use crate::probe::Probes;
use crate::run::{IDLE, fail};
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
    match EventLoop::new(launch).and_then(EventLoop::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

struct EventLoop {
    executor: Executor,
    clock: SystemClock,
    agent: Subscriber,
    container: Attendant,
    /// The description of the network in the task.
    network: v1::NetworkInfo,
    probes: Probes<Checker>,
    timers: BTreeMap<Timer, Instant>,
    /// Whether memory was returned since the last activity.
    memory_released: bool,
    done: bool,
}

impl EventLoop {
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
        Ok(EventLoop {
            agent: Subscriber::open(&environment, &executor.subscribe())?,
            executor,
            clock: SystemClock::new()?,
            container: Attendant::new(&launch)?,
            network: network.unwrap_or_default(),
            probes: Probes::new()?,
            timers: BTreeMap::new(),
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
            let ready = self.wait()?;
            self.go_on(&ready);
            for (checker, outcome) in self.probes.take() {
                self.probed(checker, outcome);
            }
            self.fire_timers();
        }
        self.container.leave();
        // The next agent finds the updates when it finds that this process has ended.
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

    /// Waits until an event may have occurred. Returns which connections of the container are ready.
    fn wait(&mut self) -> Result<Vec<bool>, Error> {
        let deadline = self.timers.values().copied().chain(self.container.deadline());
        let deadline = deadline.fold(self.agent.deadline(), Instant::min);
        let mut left = deadline.saturating_duration_since(Instant::now());
        if self.container.has_news() {
            left = Duration::ZERO;
        }
        let left = if self.memory_released { left } else { left.min(IDLE) };
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        let mut fds = self.container.poll_fds();
        let of_container = fds.len();
        fds.push(PollFd::new(self.probes.signal(), PollFlags::IN));
        if let Some(socket) = self.agent.socket() {
            fds.push(PollFd::new(socket, PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) if !self.memory_released && left == IDLE => {
                memory::release_unused();
                self.memory_released = true;
            }
            Ok(0) => {}
            Ok(_) => self.memory_released = false,
            Err(rustix::io::Errno::INTR) => return Ok(vec![false; of_container]),
            Err(error) => return Err(Error::Io(error.into())),
        }
        Ok(fds.iter().take(of_container).map(|fd| !fd.revents().is_empty()).collect())
    }

    fn go_on(&mut self, ready: &[bool]) {
        for happened in self.container.advance(ready) {
            let actions = match happened {
                Happened::Started(inspection, text) => self.started(&inspection, text),
                Happened::Ended(exit, limit) => self.executor.on_container_ended(exit, limit, &mut self.clock),
                Happened::Failed(reason) => self.executor.on_start_failed(&reason, &mut self.clock),
                Happened::Checked(checker, outcome) => self.executor.on_probed(checker, outcome, &mut self.clock),
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
        self.executor.on_container_started(ContainerDetails { inspection, network }, &mut self.clock)
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

    fn probed(&mut self, checker: Checker, outcome: Outcome) {
        let actions = self.executor.on_probed(checker, outcome, &mut self.clock);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(call) => self.agent.send(call),
                Action::Start(_) => self.container.begin(),
                Action::Terminate => self.container.terminate(),
                Action::Kill => self.container.kill(),
                Action::Arm(timer, after) => {
                    self.timers.insert(timer, Instant::now() + after);
                }
                Action::Probe(checker, Probe::Command(command), timeout) => {
                    self.container.begin_check(checker, &command, timeout);
                }
                Action::Probe(checker, probe, timeout) => {
                    let no_command = |_: &v1::TaskInfo| Err(InvalidCommand::NoCommand);
                    if let Some(outcome) = self.probes.begin(checker, probe, timeout, &no_command) {
                        self.probed(checker, outcome);
                    }
                }
                Action::Exit => self.done = true,
            }
        }
    }
}
