//! The container with its requests, outputs and timers, as the loops use it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docker::{Client, Inspection, InvalidSocket, Request};
use messages::v1;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::container::{Container, Purpose, Step, Timer};
use super::exec_check::{self, ExecAction, ExecCheck};
use super::launch::DockerLaunch;
use super::outputs::Outputs;
use super::requests::{Arrival, Key, Requests};
use crate::checks::{Checker, Outcome};
use crate::core::{Exit, MemoryLimit};
use crate::write_stderr::write_stderr;

/// What the loop has to know.
#[derive(Debug)]
pub enum Happened {
    /// The container was started: its description, and the text of it.
    Started(Box<Inspection>, Vec<u8>),
    /// The container has ended.
    Ended(Option<Exit>, Option<MemoryLimit>),
    /// The container was not started.
    Failed(String),
    /// A check by a command is over.
    Checked(Checker, Outcome),
}

/// The time for the last request of this process.
const LAST: Duration = Duration::from_secs(10);

/// The container with all that belongs to it.
#[derive(Debug)]
pub struct Attendant {
    name: String,
    client: Client,
    container: Container,
    requests: Requests,
    outputs: Outputs,
    timers: BTreeMap<Timer, Instant>,
    checks: BTreeMap<Checker, (ExecCheck, Instant)>,
    /// Becomes readable when the first process has ended.
    process: Option<OwnedFd>,
    happened: Vec<Happened>,
}

impl Attendant {
    /// Makes the attendant of a container that does not exist yet.
    ///
    /// # Errors
    /// The launch does not name a socket.
    pub fn new(launch: &DockerLaunch) -> Result<Self, InvalidSocket> {
        let socket: docker::Socket = launch.socket.parse()?;
        Ok(Attendant {
            name: launch.name.clone(),
            client: Client::new(socket.clone()),
            container: Container::new(&launch.name, launch.create.clone(), launch.remove),
            requests: Requests::new(socket),
            outputs: Outputs::new(launch.terminal),
            timers: BTreeMap::new(),
            checks: BTreeMap::new(),
            process: None,
            happened: Vec::new(),
        })
    }

    /// Creates and starts the container.
    pub fn begin(&mut self) {
        let steps = self.container.begin();
        self.perform(steps);
    }

    /// Tells the program of the container to end.
    pub fn terminate(&mut self) {
        let steps = self.container.terminate();
        self.perform(steps);
    }

    /// Kills the container.
    pub fn kill(&mut self) {
        let steps = self.container.kill();
        self.perform(steps);
    }

    /// Begins a check by a command in the container.
    pub fn begin_check(&mut self, checker: Checker, command: &v1::CommandInfo, timeout: Duration) {
        let (check, request) = ExecCheck::begin(&self.name, command);
        self.checks.insert(checker, (check, Instant::now() + timeout));
        self.request_check(checker, exec_check::ExecStep::Create, &request);
    }

    /// Returns when [`Attendant::advance`] has something to do without a connection that is ready.
    pub fn deadline(&self) -> Option<Instant> {
        let checks = self.checks.values().map(|(_, at)| *at);
        self.timers.values().copied().chain(checks).chain(self.requests.deadline()).min()
    }

    /// Returns what to poll, in the order of `ready`.
    pub fn poll_fds(&self) -> Vec<PollFd<'_>> {
        let process = self.process.iter().map(|process| PollFd::new(process, PollFlags::IN));
        process.chain(self.requests.poll_fds()).collect()
    }

    /// Returns whether something has happened that was not taken.
    pub fn has_news(&self) -> bool {
        !self.happened.is_empty()
    }

    /// Goes on as far as possible. Returns what has happened.
    pub fn advance(&mut self, ready: &[bool]) -> Vec<Happened> {
        let (process, requests) = ready.split_at(usize::from(self.process.is_some()).min(ready.len()));
        let is_gone = process.first().copied().unwrap_or_default();
        for (key, arrival) in self.requests.advance(requests) {
            self.arrived(key, arrival);
        }
        if is_gone {
            self.process = None;
            let steps = self.container.on_process_gone();
            self.perform(steps);
        }
        self.fire_timers();
        std::mem::take(&mut self.happened)
    }

    /// Kills a container that may run, before this process ends. It waits for Docker, but not for long; the agent does the
    /// same afterwards.
    pub fn leave(&self) {
        if self.container.may_run()
            && let Err(error) = self.client.call(&Request::kill(&self.name, "SIGKILL"), LAST)
        {
            write_stderr(format_args!("executor: the container is not killed: {error}"));
        }
    }

    fn fire_timers(&mut self) {
        let now = Instant::now();
        let due: Vec<Timer> = self.timers.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect();
        for timer in due {
            self.timers.remove(&timer);
            let steps = self.container.on_timer(timer);
            self.perform(steps);
        }
        let overdue: Vec<Checker> = self.checks.iter().filter(|(_, (_, at))| *at <= now).map(|(key, _)| *key).collect();
        for checker in overdue {
            self.requests.cancel_check(checker);
            let Some((check, at)) = self.checks.get_mut(&checker) else { continue };
            *at = now + exec_check::ASK;
            let action = check.on_overdue();
            self.perform_check(checker, vec![action]);
        }
    }

    fn arrived(&mut self, key: Key, arrival: Arrival) {
        match (key, arrival) {
            (Key::Container(purpose), Arrival::Head) => {
                let steps = self.container.on_head(purpose);
                self.perform(steps);
            }
            (Key::Container(_), Arrival::Part(part)) => self.outputs.write(&part),
            (Key::Container(purpose), Arrival::Reply(reply)) => {
                if let (Purpose::Attach | Purpose::Logs, Ok(answer)) = (purpose, &reply) {
                    self.outputs.write(&answer.body);
                }
                let is_wait_again = purpose == Purpose::Inspect;
                let steps = self.container.on_reply(purpose, reply);
                let waits_again = steps.iter().any(|step| matches!(step, Step::Request(Purpose::Wait, ..)));
                self.perform(steps);
                if is_wait_again && waits_again {
                    self.follow_outputs_again();
                }
            }
            (Key::Check(..), Arrival::Head) => {}
            // The output of checks goes to stderr, as in Mesos.
            (Key::Check(..), Arrival::Part(part)) => self.write_check_output(&part),
            (Key::Check(checker, step), Arrival::Reply(reply)) => {
                if let (exec_check::ExecStep::Start, Ok(answer)) = (step, &reply) {
                    self.write_check_output(&answer.body);
                }
                let Some((check, _)) = self.checks.get_mut(&checker) else { return };
                let actions = check.on_reply(step, reply);
                self.perform_check(checker, actions);
            }
        }
    }

    /// Follows the outputs after the daemon was away, unless they are followed already.
    fn follow_outputs_again(&mut self) {
        if self.container.has_outputs() {
            return;
        }
        let since = self.outputs.begin_again();
        self.request(Purpose::Logs, &Request::logs_since(&self.name, since), None);
    }

    fn write_check_output(&self, part: &[u8]) {
        use std::io::Write;
        let mut stderr = std::io::stderr().lock();
        let mut frames = docker::LogStream::default();
        // A frame that is split between two parts loses its beginning, which only a check with much output notices.
        let _ = frames.push(part, &mut |_, bytes| {
            let _ = stderr.write_all(bytes);
        });
    }

    fn perform(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Request(purpose, request, timeout) => self.request(purpose, &request, timeout),
                Step::Arm(timer, after) => {
                    self.timers.insert(timer, Instant::now() + after);
                }
                Step::Started(inspection, text) => {
                    self.process = inspection.pid.and_then(process_of);
                    self.happened.push(Happened::Started(inspection, text));
                }
                Step::Ended(exit, limit) => self.happened.push(Happened::Ended(exit, limit)),
                Step::Failed(reason) => self.happened.push(Happened::Failed(reason)),
                Step::Log(line) => write_stderr(format_args!("executor: {line}")),
            }
        }
    }

    fn request(&mut self, purpose: Purpose, request: &Request, timeout: Option<Duration>) {
        if let Some(error) = self.requests.begin(Key::Container(purpose), request, timeout) {
            let steps = self.container.on_reply(purpose, Err(error));
            self.perform(steps);
        }
    }

    fn request_check(&mut self, checker: Checker, step: exec_check::ExecStep, request: &Request) {
        // The command itself has the time of its check.
        let timeout = (step != exec_check::ExecStep::Start).then_some(exec_check::ASK);
        if let Some(error) = self.requests.begin(Key::Check(checker, step), request, timeout)
            && let Some((check, _)) = self.checks.get_mut(&checker)
        {
            let actions = check.on_reply(step, Err(error));
            self.perform_check(checker, actions);
        }
    }

    fn perform_check(&mut self, checker: Checker, actions: Vec<ExecAction>) {
        for action in actions {
            match action {
                ExecAction::Request(step, request) => self.request_check(checker, step, &request),
                ExecAction::Kill(pid) => {
                    if let Some(pid) = Pid::from_raw(pid) {
                        let _ = kill_process(pid, Signal::KILL);
                    }
                }
                ExecAction::Done(outcome) => {
                    self.requests.cancel_check(checker);
                    self.checks.remove(&checker);
                    self.happened.push(Happened::Checked(checker, outcome));
                }
            }
        }
    }
}

/// Opens the first process of the container. The daemon shares the pid namespace of this process, or the number belongs to
/// another one and the end is told by Docker alone.
fn process_of(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Opens the network namespace of a container; `None` if it is that of this process.
pub fn network_of(pid: u32) -> Option<Arc<OwnedFd>> {
    use std::os::unix::fs::MetadataExt;
    let open = |path: String| File::open(path).ok();
    let (own, other) = (open("/proc/self/ns/net".to_owned())?, open(format!("/proc/{pid}/ns/net"))?);
    let same = own.metadata().ok()?.ino() == other.metadata().ok()?.ino();
    (!same).then(|| Arc::new(OwnedFd::from(other)))
}
