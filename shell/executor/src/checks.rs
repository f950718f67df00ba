//! The checks and health checks of a task: the times of probes, and the meaning of their results. The code is pure, and
//! both executors use it.
//!
//! A check only reports. A health check that fails often enough ends the task.

use std::collections::BTreeMap;
use std::time::Duration;

use messages::v1::check_status_info as info;
use messages::v1::task_status::Reason;
use messages::v1::{self, CheckInfo, CheckStatusInfo, HealthCheck, TaskInfo, check_info, health_check};

use validation::health_checks::{self, NamedHealthCheck};

use crate::core::Exit;

/// One of the checks of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// The check, which reports.
    Check,
    /// The health check, which may end the task.
    Health,
    /// A further health check, by its place among the labels ([`validation::health_checks`]).
    Named(u8),
}

/// The description of one probe.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// Run a command and wait for its exit.
    Command(Box<v1::CommandInfo>),
    Http {
        port: u16,
        path: String,
        ipv6: bool,
    },
    /// The same over TLS.
    Https {
        port: u16,
        path: String,
        ipv6: bool,
    },
    Tcp {
        port: u16,
        ipv6: bool,
    },
}

/// The result of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The command has ended.
    Command(Exit),
    /// The status of the HTTP response.
    Http(u16),
    /// Whether the connection succeeded.
    Tcp(bool),
    /// The probe took too long or could not be executed.
    NoResult,
    /// The probe was not made for a reason that is not the task's. It is repeated after the interval.
    Transient,
}

/// The checks of one task that runs, and what their results were.
#[derive(Debug, Default)]
pub struct Checks {
    started: Duration,
    /// The health checks besides that of Mesos.
    named: Vec<NamedHealthCheck>,
    /// The results of the health checks that have some.
    health: BTreeMap<Checker, Health>,
    /// The last result of the check. It is empty before the first one, and `None` without a check.
    pub check_status: Option<CheckStatusInfo>,
}

/// The results of one health check.
#[derive(Debug, Default)]
struct Health {
    /// Whether failures count. Before the first success, failures within the grace period do not.
    counting: bool,
    /// The failures since the last success.
    failures: u32,
    /// The last result; `None` before the first one that counts.
    healthy: Option<bool>,
}

/// The consequences of the result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The reason of an update; `None` if the result does not differ from the previous one.
    pub reason: Option<Reason>,
    /// Whether the task has to end, because it is unhealthy.
    pub is_fatal: bool,
    /// The time until the next probe.
    pub interval: Duration,
}

impl Checks {
    /// Makes the checks of a task that has started now. [`invalid`] has refused a task whose labels are invalid.
    pub fn new(task: &TaskInfo, now: Duration) -> Self {
        let check_status = task.check.as_deref().and_then(empty_status);
        let named = health_checks::named(task.labels.as_deref()).unwrap_or_default();
        Checks { started: now, named, check_status, ..Checks::default() }
    }

    /// Returns the checks of the task.
    pub fn checkers(&self, task: &TaskInfo) -> Vec<Checker> {
        let named = (0..self.named.len()).filter_map(|index| u8::try_from(index).ok()).map(Checker::Named);
        let check = task.check.iter().map(|_| Checker::Check);
        check.chain(task.health_check.iter().map(|_| Checker::Health)).chain(named).collect()
    }

    fn health_check<'a>(&'a self, task: &'a TaskInfo, checker: Checker) -> Option<&'a HealthCheck> {
        match checker {
            Checker::Check => None,
            Checker::Health => task.health_check.as_deref(),
            Checker::Named(index) => self.named.get(usize::from(index)).map(|named| &named.check),
        }
    }

    /// Returns whether the task is healthy, by all of its health checks; `None` while some have no result and none has failed.
    pub fn healthy(&self, task: &TaskInfo) -> Option<bool> {
        let results = self.checkers(task).into_iter().filter(|checker| *checker != Checker::Check);
        let mut results = results.map(|checker| self.health.get(&checker).and_then(|health| health.healthy));
        let (mut all, mut any) = (true, false);
        for result in &mut results {
            any = true;
            match result {
                Some(false) => return Some(false),
                Some(true) => {}
                None => all = false,
            }
        }
        (any && all).then_some(true)
    }

    /// Returns the results of the further health checks, as the labels of a status.
    pub fn labels(&self) -> Option<Box<v1::Labels>> {
        let label = |(index, named): (usize, &NamedHealthCheck)| {
            let health = self.health.get(&Checker::Named(u8::try_from(index).ok()?))?;
            let value = match health.healthy? {
                true => "healthy".to_owned(),
                false => {
                    format!("unhealthy: {} of {} failures", health.failures, named.check.consecutive_failures())
                }
            };
            Some(v1::Label { key: format!("{}{}", health_checks::LABEL, named.name), value: Some(value) })
        };
        let labels: Vec<v1::Label> = self.named.iter().enumerate().filter_map(label).collect();
        (!labels.is_empty()).then(|| Box::new(v1::Labels { labels }))
    }

    /// Handles the result of a probe. Returns `None` if the task has no such check.
    pub fn handle(&mut self, task: &TaskInfo, checker: Checker, outcome: Outcome, now: Duration) -> Option<Verdict> {
        if checker == Checker::Check {
            let check = task.check.as_deref()?;
            let reason = self.checked(check, outcome);
            return Some(Verdict { reason, is_fatal: false, interval: interval(check.interval_seconds()) });
        }
        let check = self.health_check(task, checker)?.clone();
        let age = now.saturating_sub(self.started);
        let (is_news, is_fatal) = self.health.entry(checker).or_default().checked(&check, outcome, age);
        // Clients of Mesos read a status without a result as unhealthy.
        let is_news = is_news && self.healthy(task).is_some();
        let reason = is_news.then_some(Reason::TaskHealthCheckStatusUpdated);
        Some(Verdict { reason, is_fatal, interval: interval(check.interval_seconds()) })
    }

    /// Handles a result of the check, and reports a result that differs from the previous one.
    fn checked(&mut self, check: &CheckInfo, outcome: Outcome) -> Option<Reason> {
        if outcome == Outcome::Transient {
            return None;
        }
        let status = filled_status(check, outcome);
        if status == self.check_status {
            return None;
        }
        self.check_status = status;
        Some(Reason::TaskCheckStatusUpdated)
    }

    /// Returns the times from the start of a task to the first probe of each of its checks.
    pub fn first_probes(&self, task: &TaskInfo) -> Vec<(Checker, Duration)> {
        let delay = |checker| match checker {
            Checker::Check => task.check.as_deref().map(CheckInfo::delay_seconds),
            _ => self.health_check(task, checker).map(HealthCheck::delay_seconds),
        };
        let checkers = self.checkers(task).into_iter();
        checkers.filter_map(|checker| Some((checker, seconds(delay(checker)?)))).collect()
    }

    /// Returns a probe of a task, and the time that it may take.
    pub fn probe(&self, task: &TaskInfo, checker: Checker) -> Option<(Probe, Duration)> {
        let (probe, timeout) = match checker {
            Checker::Check => task.check.as_deref().and_then(|c| Some((probe_of(c)?, c.timeout_seconds())))?,
            _ => self.health_check(task, checker).and_then(|h| Some((probe_of_health(h)?, h.timeout_seconds())))?,
        };
        Some((probe, probe_timeout(timeout)))
    }
}

impl Health {
    /// Handles a result that came at this age of the task. Returns whether it is news, and whether the task has to end.
    fn checked(&mut self, check: &HealthCheck, outcome: Outcome, age: Duration) -> (bool, bool) {
        if outcome == Outcome::Transient {
            return (false, false);
        }
        if is_healthy(outcome) {
            let has_changed = !self.counting || self.failures > 0;
            *self = Health { counting: true, failures: 0, healthy: Some(true) };
            return (has_changed, false);
        }
        if !self.counting && age <= seconds(check.grace_period_seconds()) {
            return (false, false);
        }
        *self = Health { counting: true, failures: self.failures.saturating_add(1), healthy: Some(false) };
        (true, self.failures >= check.consecutive_failures())
    }
}

/// Returns why the checks of a task cannot be carried out; `None` if they can. Masters of Mesos do not know the labels.
pub fn invalid(task: &TaskInfo) -> Option<String> {
    health_checks::named(task.labels.as_deref()).err().map(|error| error.to_string())
}

/// Returns whether an outcome means healthy. As in Mesos, a redirect that is not followed counts as an answer.
fn is_healthy(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Command(exit) => exit == Exit::Status(0),
        Outcome::Http(status) => (200..400).contains(&status),
        Outcome::Tcp(connected) => connected,
        Outcome::NoResult | Outcome::Transient => false,
    }
}

fn probe_of(check: &CheckInfo) -> Option<Probe> {
    match check.r#type() {
        check_info::Type::Command => Some(Probe::Command(Box::new(check.command.as_ref()?.command.clone()))),
        check_info::Type::Http => {
            let http = check.http.as_ref()?;
            Some(Probe::Http { port: port(http.port), path: path(http.path()), ipv6: false })
        }
        check_info::Type::Tcp => Some(Probe::Tcp { port: port(check.tcp.as_ref()?.port), ipv6: false }),
        check_info::Type::Unknown => None,
    }
}

fn probe_of_health(check: &HealthCheck) -> Option<Probe> {
    let is_ipv6 = |protocol| protocol == v1::network_info::Protocol::IPv6;
    match check.r#type() {
        health_check::Type::Command => Some(Probe::Command(check.command.clone()?)),
        health_check::Type::Http => {
            let http = check.http.as_ref()?;
            let (port, path, ipv6) = (port(http.port), path(http.path()), is_ipv6(http.protocol()));
            Some(match http.scheme() {
                "https" => Probe::Https { port, path, ipv6 },
                _ => Probe::Http { port, path, ipv6 },
            })
        }
        health_check::Type::Tcp => {
            let tcp = check.tcp.as_ref()?;
            Some(Probe::Tcp { port: port(tcp.port), ipv6: is_ipv6(tcp.protocol()) })
        }
        health_check::Type::Unknown => None,
    }
}

/// Returns the port. Masters of Mesos pass on numbers that are no ports. They become 0, where no process listens, so
/// that the probe fails as in Mesos.
fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

fn path(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// Returns the `check_status` of a task with a check before the first result.
pub fn empty_status(check: &CheckInfo) -> Option<CheckStatusInfo> {
    filled_status(check, Outcome::NoResult)
}

fn filled_status(check: &CheckInfo, outcome: Outcome) -> Option<CheckStatusInfo> {
    let mut status = CheckStatusInfo { r#type: Some(check.r#type().into()), ..CheckStatusInfo::default() };
    match check.r#type() {
        check_info::Type::Command => {
            let exit_code = match outcome {
                Outcome::Command(Exit::Status(code)) => Some(code),
                _ => None,
            };
            status.command = Some(info::Command { exit_code });
        }
        check_info::Type::Http => {
            let status_code = match outcome {
                Outcome::Http(code) => Some(u32::from(code)),
                _ => None,
            };
            status.http = Some(info::Http { status_code });
        }
        check_info::Type::Tcp => {
            let succeeded = match outcome {
                Outcome::Tcp(connected) => Some(connected),
                _ => None,
            };
            status.tcp = Some(info::Tcp { succeeded });
        }
        check_info::Type::Unknown => return None,
    }
    Some(status)
}

/// Returns a duration from seconds. A value beyond the maximum becomes the maximum; a negative value or NaN becomes
/// zero. Tepui's master refuses all such values, and masters of Mesos refuse most of them.
fn seconds(seconds: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) => duration.min(LONGEST),
        Err(_) if seconds > 0.0 => LONGEST,
        Err(_) => Duration::ZERO,
    }
}

/// Returns the interval of probes. An interval of zero would repeat the probe without a pause and occupy a processor.
fn interval(interval: f64) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(100);
    seconds(interval).max(SHORTEST)
}

/// Returns the timeout of a probe. Zero means no timeout in Mesos; it is bounded here nevertheless.
fn probe_timeout(timeout: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(3600);
    Some(seconds(timeout)).filter(|timeout| !timeout.is_zero()).unwrap_or(LONGEST).min(LONGEST)
}
