//! The life of one container at Docker, from its creation to its end. The code is pure: requests and timers go out, and
//! replies come in.
//!
//! A daemon may restart, hang or be away at any time. What it has not answered may have happened nevertheless, so a
//! container counts as ended only if Docker says so, or if its process is gone for so long that Docker has missed it.

use std::time::Duration;

use docker::{Answer, Error, Inspection, Request};
use serde::Deserialize;

use crate::core::{Exit, MemoryLimit};

/// What a request is for. There is one of each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The container is created.
    Create,
    /// The outputs are attached. The answer is a stream.
    Attach,
    /// The outputs are followed again, after the daemon was away. The answer is a stream.
    Logs,
    /// The end of the container is waited for.
    Wait,
    /// The container is started.
    Start,
    /// What Docker knows is asked for.
    Inspect,
    /// A signal is sent.
    Signal,
    /// The container is removed.
    Remove,
}

/// A timer of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Docker is asked again about the container.
    Inspect,
    /// The last signal is sent again.
    Signal,
    /// The process has been gone for long, and Docker has not said so.
    Gone,
    /// The outputs have not ended in time.
    Outputs,
}

/// Something to be done or known.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send a request. It fails without an answer in this time; `None` to wait for ever.
    Request(Purpose, Request, Option<Duration>),
    /// Call [`Container::on_timer`] after this time. A later step for the same timer replaces this one.
    Arm(Timer, Duration),
    /// The container was started. It has this description, and may have ended already.
    Started(Box<Inspection>, Vec<u8>),
    /// The container has ended: how, if Docker knows it, and the limit that it exceeded.
    Ended(Option<Exit>, Option<MemoryLimit>),
    /// The container was not started, for this reason.
    Failed(String),
    /// A line for the log.
    Log(String),
}

/// The time that Docker has for a request that changes nothing (`DOCKER_INSPECT_TIMEOUT` of Mesos).
const ASK: Duration = Duration::from_secs(5);
/// The time that Docker has for creating, starting and removing a container, which write to the disk.
const CHANGE: Duration = Duration::from_secs(120);
/// The pause between questions (`DOCKER_INSPECT_DELAY` of Mesos).
const PAUSE: Duration = Duration::from_millis(500);
/// The pause between two signals (`KILL_RETRY_INTERVAL` of Mesos).
const SIGNAL_PAUSE: Duration = Duration::from_secs(5);
/// The time after which Docker has missed the end of a process, as in Mesos (moby#33820).
const GONE: Duration = Duration::from_secs(60);
/// The time for the rest of the outputs after the end.
const OUTPUTS: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The container is being created, attached and started.
    Starting,
    /// It was started. The end of the container may be known before its description.
    Running,
    /// It has ended, and this is handed on.
    Over,
}

/// What became known about the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    exit: Option<Exit>,
    limit: Option<MemoryLimit>,
}

/// The life of a container.
#[derive(Debug)]
pub struct Container {
    name: String,
    create: serde_json::Value,
    remove: bool,
    state: State,
    /// Whether the start was asked for. From then on the container may run.
    start_sent: bool,
    started_told: bool,
    /// The reason for which the container is not to be started, or could not be.
    abandoned: Option<String>,
    outputs_open: bool,
    /// Whether a wait is in flight.
    waiting: bool,
    /// Whether Docker has answered the wait.
    waited: bool,
    end: Option<End>,
    stop_signal: String,
    /// The last signal, until the container has ended.
    signal: Option<String>,
    /// Whether the process is known to be gone for too long.
    missed: bool,
}

impl Container {
    /// Makes a container that is created with this body. With `remove`, nothing is left of it after its end.
    pub fn new(name: &str, create: serde_json::Value, remove: bool) -> Self {
        Container {
            name: name.to_owned(),
            create,
            remove,
            state: State::Starting,
            start_sent: false,
            started_told: false,
            abandoned: None,
            outputs_open: false,
            waiting: false,
            waited: false,
            end: None,
            stop_signal: "SIGTERM".to_owned(),
            signal: None,
            missed: false,
        }
    }

    /// Returns whether the container may run.
    pub fn may_run(&self) -> bool {
        self.start_sent && self.state != State::Over
    }

    /// Returns whether the outputs are followed.
    pub fn has_outputs(&self) -> bool {
        self.outputs_open
    }

    /// Creates the container.
    pub fn begin(&mut self) -> Vec<Step> {
        let body = std::mem::take(&mut self.create);
        vec![Step::Request(Purpose::Create, Request::create(&self.name, &body), Some(CHANGE))]
    }

    /// Handles the head of the answer to a request whose body takes longer.
    pub fn on_head(&mut self, purpose: Purpose) -> Vec<Step> {
        match purpose {
            Purpose::Attach => {
                self.outputs_open = true;
                self.waiting = true;
                vec![Step::Request(Purpose::Wait, Request::wait(&self.name), None)]
            }
            // Docker waits now, so that no end is missed.
            Purpose::Wait if !self.start_sent => self.start(),
            Purpose::Logs => {
                self.outputs_open = true;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn start(&mut self) -> Vec<Step> {
        if self.abandoned.is_some() {
            return self.abandon();
        }
        self.start_sent = true;
        vec![Step::Request(Purpose::Start, Request::start(&self.name), Some(CHANGE))]
    }

    /// Handles the answer to a request.
    pub fn on_reply(&mut self, purpose: Purpose, reply: Result<Answer, Error>) -> Vec<Step> {
        if self.state == State::Over {
            return Vec::new();
        }
        match (purpose, reply) {
            (Purpose::Create, Ok(_)) if self.abandoned.is_some() => self.abandon(),
            // A daemon that talks nonsense does so from the first answer on.
            (Purpose::Create, Ok(answer)) if !is_created(&answer) => {
                self.failed(&Error::Invalid("no id of a container".to_owned()))
            }
            (Purpose::Create, Ok(_)) => vec![Step::Request(Purpose::Attach, Request::attach(&self.name), None)],
            (Purpose::Attach, Err(error)) if !self.start_sent => self.failed(&error),
            (Purpose::Attach | Purpose::Logs, _) => self.on_outputs_ended(),
            (Purpose::Start, Ok(_)) => vec![self.inspect()],
            // It may have started nevertheless.
            (Purpose::Start, Err(error)) if error.is_transient() => {
                vec![Step::Log(format!("the start of the container is in doubt: {error}")), self.inspect_later()]
            }
            (Purpose::Create | Purpose::Start, Err(error)) => self.failed(&error),
            (Purpose::Wait, Err(error)) if !self.start_sent => self.failed(&error),
            (Purpose::Wait, Ok(answer)) => self.on_waited(&answer),
            (Purpose::Wait, Err(error)) => {
                self.waiting = false;
                vec![Step::Log(format!("Docker has stopped waiting for the container: {error}")), self.inspect_later()]
            }
            (Purpose::Inspect, Ok(answer)) => match Inspection::parse(&answer.body) {
                Ok(inspection) => self.on_inspected(inspection, answer.body),
                Err(error) => vec![Step::Log(error.to_string()), self.inspect_later()],
            },
            (Purpose::Inspect, Err(error)) => self.on_not_inspected(&error),
            (Purpose::Signal, Err(error)) if error.is_transient() => {
                vec![
                    Step::Log(format!("the container may not have got its signal: {error}")),
                    Step::Arm(Timer::Signal, PAUSE),
                ]
            }
            (Purpose::Signal, _) => Vec::new(),
            (Purpose::Remove, reply) => {
                let mut steps: Vec<_> = reply
                    .err()
                    .map(|error| Step::Log(format!("the container is not removed: {error}")))
                    .into_iter()
                    .collect();
                steps.extend(self.over());
                steps
            }
        }
    }

    /// Removes a container that was not started.
    fn abandon(&mut self) -> Vec<Step> {
        vec![Step::Request(Purpose::Remove, Request::remove(&self.name), Some(CHANGE))]
    }

    fn failed(&mut self, error: &Error) -> Vec<Step> {
        let reason = format!("Failed to run docker container: {}", model::with_sources(error));
        self.abandoned.get_or_insert(reason);
        self.start_sent = false;
        // What was not answered may exist, and a container that could not be started does; the agent looks for others.
        if matches!(error, Error::Unreachable { .. }) { self.over() } else { self.abandon() }
    }

    fn on_waited(&mut self, answer: &Answer) -> Vec<Step> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Waited {
            status_code: i32,
        }
        (self.waiting, self.waited) = (false, true);
        if let Ok(waited) = serde_json::from_slice::<Waited>(&answer.body) {
            self.end.get_or_insert(End { exit: Some(Exit::Status(waited.status_code)), limit: None });
        }
        // The inspection knows whether memory was lacking.
        vec![self.inspect()]
    }

    fn on_inspected(&mut self, inspection: Inspection, body: Vec<u8>) -> Vec<Step> {
        if !inspection.started {
            // The start is still in progress, or has failed without a refusal.
            if inspection.error.is_empty() {
                return vec![self.inspect_later()];
            }
            self.abandoned
                .get_or_insert(format!("Failed to run docker container: {}", model::visible(&inspection.error)));
            return self.abandon();
        }
        let mut steps = Vec::new();
        self.state = State::Running;
        self.stop_signal.clone_from(&inspection.stop_signal);
        if !self.started_told {
            self.started_told = true;
            steps.push(Step::Started(Box::new(inspection.clone()), body));
        }
        if inspection.running {
            match (self.waited, self.missed) {
                // Docker has missed the end of the process.
                (_, true) => {
                    self.end = Some(End { exit: None, limit: None });
                    steps.extend(self.settle());
                }
                // Docker has answered the wait, but has not written the end down.
                (true, false) => steps.push(self.inspect_later()),
                (false, false) if self.waiting => {}
                (false, false) => steps.push(self.watch_again()),
            }
            return steps;
        }
        let limit = inspection.out_of_memory.then_some(MemoryLimit { bytes: inspection.memory });
        self.end = Some(End { exit: Some(Exit::Status(inspection.exit_code)), limit });
        steps.extend(self.settle());
        steps
    }

    /// Waits again after the daemon was away.
    fn watch_again(&mut self) -> Step {
        self.waiting = true;
        Step::Request(Purpose::Wait, Request::wait_not_running(&self.name), None)
    }

    fn on_not_inspected(&mut self, error: &Error) -> Vec<Step> {
        if error.is_not_found() || self.missed {
            // Somebody has removed the container.
            let end = End { exit: None, limit: None };
            self.end.get_or_insert(end);
            return self.settle();
        }
        vec![self.inspect_later()]
    }

    /// Handles the end of the stream of outputs.
    fn on_outputs_ended(&mut self) -> Vec<Step> {
        self.outputs_open = false;
        if self.end.is_some() && self.started_told { self.settle() } else { Vec::new() }
    }

    /// Hands the end on once the outputs are complete.
    fn settle(&mut self) -> Vec<Step> {
        if self.outputs_open {
            return vec![Step::Arm(Timer::Outputs, OUTPUTS)];
        }
        if self.remove { self.abandon() } else { self.over() }
    }

    fn over(&mut self) -> Vec<Step> {
        self.state = State::Over;
        self.signal = None;
        // Docker reports an end of a container that it could not start, too.
        let step = match (self.end, self.abandoned.take().filter(|_| !self.started_told)) {
            (_, Some(reason)) => Step::Failed(reason),
            (Some(end), None) => Step::Ended(end.exit, end.limit),
            (None, None) => Step::Ended(None, None),
        };
        vec![step]
    }

    /// Handles the end of the first process, which Docker has to notice.
    pub fn on_process_gone(&mut self) -> Vec<Step> {
        if self.state == State::Over { Vec::new() } else { vec![Step::Arm(Timer::Gone, GONE)] }
    }

    /// Handles a timer.
    pub fn on_timer(&mut self, timer: Timer) -> Vec<Step> {
        if self.state == State::Over {
            return Vec::new();
        }
        match timer {
            Timer::Inspect => vec![self.inspect()],
            Timer::Signal => match self.signal.clone() {
                Some(signal) => self.send_signal(&signal),
                None => Vec::new(),
            },
            Timer::Gone => {
                self.missed = true;
                vec![
                    Step::Log("the process of the container has ended, and Docker has missed it".to_owned()),
                    self.inspect(),
                ]
            }
            Timer::Outputs => {
                self.outputs_open = false;
                self.settle()
            }
        }
    }

    /// Tells the program of the container to end. A container that does not run yet is not started.
    pub fn terminate(&mut self) -> Vec<Step> {
        let signal = self.stop_signal.clone();
        self.end_by(&signal)
    }

    /// Kills the container.
    pub fn kill(&mut self) -> Vec<Step> {
        self.end_by("SIGKILL")
    }

    fn end_by(&mut self, signal: &str) -> Vec<Step> {
        if self.state == State::Over {
            return Vec::new();
        }
        if !self.start_sent {
            self.abandoned.get_or_insert("Container was killed before it was started".to_owned());
            return Vec::new();
        }
        self.signal = Some(signal.to_owned());
        // Before it runs, Docker refuses a signal. The caller repeats it after the start.
        if self.state == State::Running { self.send_signal(signal) } else { Vec::new() }
    }

    fn send_signal(&mut self, signal: &str) -> Vec<Step> {
        let request = Step::Request(Purpose::Signal, Request::kill(&self.name, signal), Some(ASK));
        // A container that does not heed SIGKILL at once is in the kernel, or its daemon has forgotten it.
        let again = (signal == "SIGKILL").then_some(Step::Arm(Timer::Signal, SIGNAL_PAUSE));
        std::iter::once(request).chain(again).collect()
    }

    fn inspect(&self) -> Step {
        Step::Request(Purpose::Inspect, Request::inspect(&self.name), Some(ASK))
    }

    fn inspect_later(&self) -> Step {
        Step::Arm(Timer::Inspect, PAUSE)
    }
}

/// Returns whether an answer has the id of a new container.
fn is_created(answer: &Answer) -> bool {
    let id = serde_json::from_slice::<serde_json::Value>(&answer.body).ok().map(|body| body["Id"].is_string());
    id.unwrap_or_default()
}

#[cfg(test)]
mod tests;
