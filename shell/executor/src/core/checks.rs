//! The checks and health checks of the task: when to probe, and what a result means. The code is pure.
//!
//! A check only reports. A health check that fails often enough ends the task.

use std::time::Duration;

use messages::v1::check_status_info as info;
use messages::v1::task_status::Reason;
use messages::v1::{self, CheckInfo, CheckStatusInfo, HealthCheck, TaskState, check_info, health_check};

use super::{Action, Clock, DEFAULT_GRACE, Ending, Executor, Exit, Timer};

/// One of the two checks of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checker {
    /// The check, which reports.
    Check,
    /// The health check, which may end the task.
    Health,
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
}

/// The health of the task as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Health {
    started: Duration,
    /// Whether failures count. Before the first success, failures within the grace period do not.
    counting: bool,
    failures: u32,
    pub(super) healthy: Option<bool>,
    /// Whether the health check has ended the task.
    pub(super) fatal: bool,
}

impl Executor {
    /// Begins the checks of a task that runs. The first probe follows after the delay.
    pub(super) fn begin_checks(&mut self, clock: &mut dyn Clock) -> Vec<Action> {
        self.health.started = clock.elapsed();
        let Some(task) = &self.task else { return Vec::new() };
        self.check_status = task.check.as_deref().and_then(empty_status);
        let check = task.check.iter().map(|c| Action::Arm(Timer::Probe(Checker::Check), seconds(c.delay_seconds())));
        let health =
            task.health_check.iter().map(|h| Action::Arm(Timer::Probe(Checker::Health), seconds(h.delay_seconds())));
        check.chain(health).collect()
    }

    pub(super) fn start_probe(&self, checker: Checker) -> Vec<Action> {
        let Some(task) = self.task.as_ref().filter(|_| self.is_checked()) else { return Vec::new() };
        let probe = match checker {
            Checker::Check => task.check.as_deref().and_then(|c| Some((probe_of(c)?, c.timeout_seconds()))),
            Checker::Health => {
                task.health_check.as_deref().and_then(|h| Some((probe_of_health(h)?, h.timeout_seconds())))
            }
        };
        let action = |(probe, timeout)| Action::Probe(checker, probe, probe_timeout(timeout));
        probe.map(action).into_iter().collect()
    }

    /// Handles the result of a probe, and schedules the next one after the interval.
    pub fn on_probed(&mut self, checker: Checker, outcome: Outcome, clock: &mut dyn Clock) -> Vec<Action> {
        let Some(task) = self.task.clone().filter(|_| self.is_checked()) else { return Vec::new() };
        let (mut actions, interval) = match (checker, &task.check, &task.health_check) {
            (Checker::Check, Some(check), _) => (self.checked(&task, check, outcome, clock), check.interval_seconds()),
            (Checker::Health, _, Some(health)) => {
                (self.health_checked(&task, health, outcome, clock), health.interval_seconds())
            }
            _ => return Vec::new(),
        };
        actions.push(Action::Arm(Timer::Probe(checker), self::interval(interval)));
        actions
    }

    /// Returns whether the task is checked. A task that is ending or has ended is not.
    fn is_checked(&self) -> bool {
        self.running && self.ending.is_none()
    }

    /// Handles a result of the check, and reports a result that differs from the previous one.
    fn checked(
        &mut self,
        task: &v1::TaskInfo,
        check: &CheckInfo,
        outcome: Outcome,
        clock: &mut dyn Clock,
    ) -> Vec<Action> {
        let status = filled_status(check, outcome);
        if status == self.check_status {
            return Vec::new();
        }
        self.check_status = status;
        vec![self.running_update(task, Reason::TaskCheckStatusUpdated, clock)]
    }

    fn health_checked(
        &mut self,
        task: &v1::TaskInfo,
        health: &HealthCheck,
        outcome: Outcome,
        clock: &mut dyn Clock,
    ) -> Vec<Action> {
        if is_healthy(outcome) {
            let has_changed = !self.health.counting || self.health.failures > 0;
            self.health.counting = true;
            self.health.failures = 0;
            self.health.healthy = Some(true);
            return if has_changed {
                vec![self.running_update(task, Reason::TaskHealthCheckStatusUpdated, clock)]
            } else {
                Vec::new()
            };
        }
        let age = clock.elapsed().saturating_sub(self.health.started);
        if !self.health.counting && age <= seconds(health.grace_period_seconds()) {
            return Vec::new();
        }
        self.health.counting = true;
        self.health.failures += 1;
        self.health.healthy = Some(false);
        let mut actions = vec![self.running_update(task, Reason::TaskHealthCheckStatusUpdated, clock)];
        if self.health.failures >= health.consecutive_failures() {
            self.health.fatal = true;
            let policy = task.kill_policy.as_ref().and_then(|policy| policy.grace_period.as_ref());
            actions.extend(self.end(Ending::Killed, policy.map_or(DEFAULT_GRACE, model::duration_from_proto), clock));
        }
        actions
    }

    /// Returns the update for a running task with the results of its checks.
    fn running_update(&mut self, task: &v1::TaskInfo, reason: Reason, clock: &mut dyn Clock) -> Action {
        let mut status = self.status(task, TaskState::TaskRunning, clock);
        status.reason = Some(reason.into());
        status.healthy = self.health.healthy;
        status.check_status = self.check_status.map(Box::new);
        self.update(status)
    }
}

/// Returns whether an outcome means healthy. As in Mesos, a redirect that is not followed counts as an answer.
fn is_healthy(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Command(exit) => exit == Exit::Status(0),
        Outcome::Http(status) => (200..400).contains(&status),
        Outcome::Tcp(connected) => connected,
        Outcome::NoResult => false,
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
pub(super) fn empty_status(check: &CheckInfo) -> Option<CheckStatusInfo> {
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
